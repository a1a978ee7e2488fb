//! `grpc.health.v1.Health/Check`: two messages of one field each, written and read by hand.
//!
//! Called by `probe`. What is read comes from a server and is not trusted: no length in it is
//! followed beyond what is there.

use bytes::{BufMut, Bytes, BytesMut};

/// The method.
pub(super) const PATH: &str = "/grpc.health.v1.Health/Check";

/// `HealthCheckResponse.SERVING`
const SERVING: u64 = 1;

/// `HealthCheckRequest { string service = 1; }`, with gRPC's five bytes before it.
pub(super) fn request(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        put_varint(&mut message, u64::try_from(service.len()).unwrap_or(0));
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(0));
    framed.put_slice(&message);
    framed.freeze()
}

/// Whether a framed `HealthCheckResponse { ServingStatus status = 1; }` says so; none where it is
/// no such message.
pub(super) fn is_serving(framed: &[u8]) -> Option<bool> {
    let (head, mut message) = framed.split_at_checked(5)?;
    let [0, length @ ..] = head else {
        return None;
    };
    let length = u32::from_be_bytes(length.try_into().ok()?);
    if usize::try_from(length).ok()? != message.len() {
        return None;
    }
    let mut status = 0;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match tag & 7 {
            0 => {
                let value = varint(&mut message)?;
                status = if tag >> 3 == 1 { value } else { status };
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status == SERVING)
}

fn put_varint(to: &mut BytesMut, mut value: u64) {
    while let Ok(byte) = u8::try_from(value & 0x7f) {
        value >>= 7;
        to.put_u8(if value > 0 { byte | 0x80 } else { byte });
        if value == 0 {
            break;
        }
    }
}

fn varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{is_serving, request};

    #[test]
    fn a_request_is_as_protobuf_has_it() {
        assert_eq!(&request("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&request("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = request(&"x".repeat(300));
        assert_eq!(&long[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 2]);
    }

    #[test]
    fn answers() {
        let framed = |message: &[u8]| {
            let length = u8::try_from(message.len()).unwrap();
            [&[0, 0, 0, 0, length][..], message].concat()
        };
        assert_eq!(is_serving(&framed(&[0x08, 1])), Some(true));
        assert_eq!(is_serving(&framed(&[])), Some(false), "UNKNOWN");
        assert_eq!(is_serving(&framed(&[0x08, 2])), Some(false));
        // Fields of later versions are passed over.
        let later = [0x12, 2, 9, 9, 0x08, 1, 0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(is_serving(&framed(&later)), Some(true));
        for bad in [&[0x08][..], &[0x08, 0x80], &[0x0b], &[0x12, 9], &[0xff; 12]] {
            assert_eq!(is_serving(&framed(bad)), None, "{bad:?}");
        }
        let whole = framed(&later);
        assert!((0..whole.len()).all(|end| is_serving(&whole[..end]).is_none()));
        assert_eq!(is_serving(&[1, 0, 0, 0, 2, 8, 1]), None, "compressed");
    }
}
