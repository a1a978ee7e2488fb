//! Which form of an answer a client likes best (RFC 9110 12.5.1).
//!
//! Pure. Whoever names none gets text, because most who ask do so by curl; a list that fits
//! nothing gets text too, for an answer that can be read is better than a 406.

use crate::http::coding::accept::weight;

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For terminals.
    Text,
    /// For programs.
    Json,
    /// For browsers.
    Html,
}

/// How much a form is wanted: by weight in thousandths, by how exactly it is named, by place.
type Wish = (u16, u8, i32);

impl Form {
    /// In the order in which equals are preferred.
    const ALL: [Self; 3] = [Self::Text, Self::Json, Self::Html];

    /// Its media type as a client names it.
    const fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain",
            Self::Json => "application/json",
            Self::Html => "text/html",
        }
    }

    /// Its `Content-Type`.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// The best for a client that sent these fields.
    pub(super) fn best<'a>(fields: impl Iterator<Item = &'a str>) -> Self {
        let ranges: Vec<&str> = fields.flat_map(|field| field.split(',')).collect();
        let mut best = (Self::Text, (0, 0, i32::MIN));
        for form in Self::ALL {
            let wish = form.wish(&ranges);
            if wish.0 > 0 && wish > best.1 {
                best = (form, wish);
            }
        }
        best.0
    }

    /// By the most exact range that has it.
    fn wish(self, ranges: &[&str]) -> Wish {
        let (whole, all) = (self.media_type(), "*/*");
        let kind = whole.split('/').next().unwrap_or_default();
        let mut found: Wish = (0, 0, i32::MIN);
        for (place, range) in (0..).zip(ranges) {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let exact = match name {
                name if name.eq_ignore_ascii_case(whole) => 3,
                name if name
                    .strip_suffix("/*")
                    .is_some_and(|one| one.eq_ignore_ascii_case(kind)) =>
                {
                    2
                }
                name if name == all => 1,
                _ => continue,
            };
            if exact > found.1 {
                found = (parts.find_map(weight).unwrap_or(1000), exact, -place);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn by_weight_then_by_how_exactly_it_is_named_then_by_place() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        let cases = [
            ("", Form::Text),
            ("*/*", Form::Text),
            ("text/*", Form::Text),
            ("application/json", Form::Json),
            ("application/json; charset=utf-8", Form::Json),
            ("Application/JSON, text/plain, */*", Form::Json),
            ("text/plain, application/json", Form::Text),
            ("application/*", Form::Json),
            (browser, Form::Html),
            ("text/html;q=0.5, application/json;q=0.6", Form::Json),
            ("text/html;q=0, */*", Form::Text),
            ("text/plain;q=0, */*;q=0.1", Form::Json),
            ("image/png", Form::Text),
            ("application/json;q=0", Form::Text),
            (";;,,q=", Form::Text),
        ];
        for (accept, form) in cases {
            assert_eq!(Form::best([accept].into_iter()), form, "{accept}");
        }
        assert_eq!(Form::best(["image/png", "text/html"].into_iter()), Form::Html);
    }
}
