//! What a client's Accept-Encoding asks for (RFC 9110 12.5.3).
//!
//! Pure; asked by `coding` once a request where compression is on. What cannot be read counts as
//! not accepted, never as an error.

use crate::config::Algorithm;

/// A weight in thousandths (RFC 9110 12.4.2).
type Weight = u16;

/// The best of `ours` for a client that sent these fields: by its weights, then by our order. None
/// where it accepts none of them, or likes it best as it is.
pub(super) fn best<'a>(
    ours: &[Algorithm],
    fields: impl Iterator<Item = &'a str>,
) -> Option<Algorithm> {
    let wishes = Wishes::read(fields);
    let mut best: Option<(Algorithm, Weight)> = None;
    for algorithm in ours {
        let weight = wishes.weight(*algorithm);
        if weight > best.map_or(0, |(_, best)| best) {
            best = Some((*algorithm, weight));
        }
    }
    let (algorithm, weight) = best?;
    (weight >= wishes.identity.unwrap_or(0)).then_some(algorithm)
}

/// The weights that were named.
#[derive(Default)]
struct Wishes {
    zstd: Option<Weight>,
    br: Option<Weight>,
    gzip: Option<Weight>,
    identity: Option<Weight>,
    any: Option<Weight>,
}

impl Wishes {
    fn read<'a>(fields: impl Iterator<Item = &'a str>) -> Self {
        let mut wishes = Self::default();
        for wish in fields.flat_map(|field| field.split(',')) {
            let (coding, weight) = match wish.split_once(';') {
                Some((coding, parameter)) => (coding, weight(parameter).unwrap_or(0)),
                None => (wish, 1000),
            };
            if let Some(place) = wishes.place(coding.trim()) {
                *place = Some(weight);
            }
        }
        wishes
    }

    fn place(&mut self, coding: &str) -> Option<&mut Option<Weight>> {
        let places = [
            ("zstd", &mut self.zstd),
            ("br", &mut self.br),
            ("gzip", &mut self.gzip),
            ("identity", &mut self.identity),
            ("*", &mut self.any),
        ];
        let known = if coding.eq_ignore_ascii_case("x-gzip") { "gzip" } else { coding };
        places
            .into_iter()
            .find(|(name, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, place)| place)
    }

    fn weight(&self, algorithm: Algorithm) -> Weight {
        let named = match algorithm {
            Algorithm::Zstd => self.zstd,
            Algorithm::Br => self.br,
            Algorithm::Gzip => self.gzip,
        };
        named.or(self.any).unwrap_or(0)
    }
}

/// `q=0.5`: up to three digits behind the point; none where it is another parameter or no weight.
pub(in crate::http) fn weight(parameter: &str) -> Option<Weight> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let value = value.trim();
    let (whole, digits) = value.split_once('.').unwrap_or((value, ""));
    if digits.len() > 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: Weight = format!("{digits:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::best;
    use crate::config::Algorithm::{self, Br, Gzip, Zstd};

    const OURS: [Algorithm; 3] = [Zstd, Br, Gzip];

    #[test]
    fn the_client_chooses_by_weight_and_we_among_equals() {
        let cases = [
            ("gzip", Some(Gzip)),
            ("gzip, br", Some(Br)),
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("br;q=0.5, gzip;q=0.8", Some(Gzip)),
            ("GZIP", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("*", Some(Zstd)),
            ("*;q=0.1, zstd;q=0", Some(Br)),
            ("gzip ; q=0.001", Some(Gzip)),
            ("gzip;q=1.000", Some(Gzip)),
            ("", None),
            ("identity", None),
            ("deflate", None),
            ("gzip;q=0", None),
            ("gzip;q=0.000", None),
            ("gzip;q=0.5, identity", None),
            ("gzip, identity;q=0.5", Some(Gzip)),
            ("gzip;q=2", None),
            ("gzip;q=1.001", None),
            ("gzip;q=0.0001", None),
            ("gzip;q=x", None),
            ("gzip;q", None),
            ("gzip;level=9", None),
            (";;,,=,;q=", None),
        ];
        for (field, expected) in cases {
            assert_eq!(best(&OURS, [field].into_iter()), expected, "{field:?}");
        }
        assert_eq!(best(&OURS, ["gzip", "br"].into_iter()), Some(Br));
        assert_eq!(best(&[Gzip], ["gzip, br"].into_iter()), Some(Gzip));
        assert_eq!(best(&[], ["*"].into_iter()), None);
    }

    #[test]
    fn no_prefix_of_a_field_is_a_problem() {
        let field = "zstd;q=0.123, br ; q=1, *;q=0, x-gzip";
        for end in 0..=field.len() {
            best(&OURS, field.get(..end).into_iter());
        }
    }
}
