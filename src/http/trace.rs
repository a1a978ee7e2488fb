//! `traceparent` on its way through (W3C Trace Context): passed if it is right, else gone.
//!
//! Called by `headers`. It is no matter of trust: a trace is a name that anybody may choose. One
//! that is malformed goes together with its `tracestate`, so that no upstream joins half of it.

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};

use crate::{
    request_id::RequestIds,
    traces::{Begun, Parent},
};

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Takes a `traceparent` away that is malformed, or one of several, and what belongs to it.
pub(super) fn check(headers: &mut HeaderMap) {
    let several = headers.get_all(TRACEPARENT).iter().nth(1).is_some();
    if several || id(headers).is_none() {
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
    }
}

/// Begins a trace where there is none. It is not sampled: that is for the upstream to decide.
pub(super) fn begin(headers: &mut HeaderMap, ids: &RequestIds) {
    headers.remove(TRACESTATE);
    if let Ok(value) = HeaderValue::try_from(format!("00-{:032x}-{:016x}-00", ids.id(), ids.span()))
    {
        headers.insert(TRACEPARENT, value);
    }
}

/// The trace that a request belongs to: 32 hexadecimal digits.
pub(super) fn id(headers: &HeaderMap) -> Option<&str> {
    trace_id(headers.get(TRACEPARENT)?.to_str().ok()?)
}

/// Passes the trace of a span of ours on: its upstream is a child of it.
pub(super) fn pass_on(headers: &mut HeaderMap, span: &Begun) {
    check(headers);
    let value = format!("00-{:032x}-{:016x}-01", span.trace, span.span);
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(TRACEPARENT, value);
    }
}

/// What a request says of its trace, if that is well-formed.
pub(super) fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut said = headers.get_all(TRACEPARENT).iter();
    let text = said.next().filter(|_| said.next().is_none())?.to_str().ok()?;
    trace_id(text)?;
    let mut parts = text.split('-').skip(1);
    let trace = u128::from_str_radix(parts.next()?, 16).ok()?;
    let span = u64::from_str_radix(parts.next()?, 16).ok()?;
    let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
    Some(Parent { trace, span, sampled: flags & 1 == 1 })
}

/// Version, trace, span and flags; a later version may have more behind them (3.2.4).
fn trace_id(text: &str) -> Option<&str> {
    let mut parts = text.splitn(5, '-');
    let mut part = |length| parts.next().filter(|part| is_hex(part, length));
    let (version, trace, span, _flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let more = parts.next().is_some();
    let known = version != "ff" && !(version == "00" && more);
    (known && !is_zero(trace) && !is_zero(span)).then_some(trace)
}

/// Lower case only.
fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, header::HeaderValue};

    use super::{TRACEPARENT, TRACESTATE, begin, check, id, parent, trace_id};
    use crate::request_id::RequestIds;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_a_trace() {
        assert_eq!(trace_id(GOOD), Some(TRACE));
        let later = GOOD.replacen("00", "cc", 1);
        assert_eq!(trace_id(&later), Some(TRACE));
        assert_eq!(trace_id(&format!("{later}-what-ever")), Some(TRACE));
        for end in 0..GOOD.len() {
            assert_eq!(trace_id(GOOD.get(..end).unwrap()), None, "{end}");
        }
        let bad = [
            format!("{GOOD}-"),
            format!("{GOOD}-00"),
            format!("{GOOD}0"),
            format!(" {GOOD}"),
            format!("{later}x"),
            GOOD.to_uppercase(),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace(TRACE, &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace('-', "_"),
            GOOD.replace("4b", "4g"),
        ];
        for text in bad {
            assert_eq!(trace_id(&text), None, "{text}");
        }
    }

    fn headers(parents: &[&str]) -> HeaderMap {
        let value = |text: &&str| (TRACEPARENT, HeaderValue::from_str(text).unwrap());
        let mut headers: HeaderMap = parents.iter().map(value).collect();
        headers.insert(TRACESTATE, HeaderValue::from_static("a=1"));
        headers
    }

    #[test]
    fn a_malformed_one_goes_with_its_state() {
        let mut good = headers(&[GOOD]);
        check(&mut good);
        assert_eq!((good.len(), id(&good)), (2, Some(TRACE)));
        for parents in [&["x"][..], &[GOOD, GOOD], &[""]] {
            let mut bad = headers(parents);
            check(&mut bad);
            assert!(bad.is_empty(), "{bad:?}");
        }
    }

    #[test]
    fn a_parent_is_read_with_its_flag() {
        let of = |parents: &[&str]| parent(&headers(parents));
        let good = of(&[GOOD]).unwrap();
        assert_eq!(
            (format!("{:032x}", good.trace).as_str(), good.span),
            (TRACE, 0x00f0_67aa_0ba9_02b7)
        );
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("ff", true)] {
            let text = GOOD.replace("-01", &format!("-{flags}"));
            assert_eq!(of(&[&text]).unwrap().sampled, sampled, "{flags}");
        }
        for bad in [&["x"][..], &[GOOD, GOOD], &[""], &[]] {
            assert_eq!(of(bad), None);
        }
    }

    #[test]
    fn a_fresh_one_is_right_and_not_sampled() {
        let ids = RequestIds::default();
        let mut fresh = headers(&[]);
        begin(&mut fresh, &ids);
        assert!(!fresh.contains_key(TRACESTATE));
        assert!(fresh[TRACEPARENT].to_str().unwrap().ends_with("-00"));
        let first = id(&fresh).unwrap().to_owned();
        begin(&mut fresh, &ids);
        assert_ne!(id(&fresh).unwrap(), first);
    }
}
