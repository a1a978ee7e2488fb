//! What responses say about the end of something that is still served: `Deprecation` (RFC 9745),
//! `Sunset` (RFC 8594) and links to a page about it.
//!
//! Built once a snapshot, for plain HTTP and for policies that only count; put on responses by `http`.

use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue, LINK},
};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};

use crate::config::{PlainAction, PlainHttp};

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// The fields of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    dates: Vec<(HeaderName, HeaderValue)>,
    link: Option<HeaderValue>,
}

impl Notice {
    /// The notice of the end of plain HTTP; none where nothing is forwarded or nothing said.
    #[must_use]
    pub fn of_plain_http(config: &PlainHttp) -> Option<Self> {
        let notice = Self::new(config.deprecation, sunset(config), config.notice.as_deref())?;
        (config.action == PlainAction::Forward).then_some(notice)
    }

    /// Of two dates and the URL of a page; none where there is nothing to say.
    #[must_use]
    pub fn new(
        deprecation: Option<Timestamp>,
        sunset: Option<Timestamp>,
        page: Option<&str>,
    ) -> Option<Self> {
        let deprecated = deprecation.map(|at| (DEPRECATION, format!("@{}", at.as_second())));
        let ends = sunset.and_then(http_date).map(|date| (SUNSET, date));
        // Dates and checked URLs have no byte that a field may not have.
        let field = |(name, text)| Some((name, HeaderValue::try_from(text).ok()?));
        let dates: Vec<_> = deprecated.into_iter().chain(ends).filter_map(field).collect();
        let links = page.map(|url| links(url, deprecation.is_some(), sunset.is_some()));
        let link = links.and_then(|links| HeaderValue::try_from(links).ok());
        (!dates.is_empty() || link.is_some()).then_some(Self { dates, link })
    }

    /// Adds the fields; dates that an upstream gave stand, because a response has one of each.
    pub fn put(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.dates {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        if let Some(link) = &self.link {
            headers.append(LINK, link.clone());
        }
    }
}

/// As announced, or else when the rollout cuts.
fn sunset(config: &PlainHttp) -> Option<Timestamp> {
    let cut = || Some(config.rollout.as_ref()?.rollout.schedule.cut.as_ref()?.at);
    config.sunset.or_else(cut)
}

fn links(url: &str, is_deprecated: bool, ends: bool) -> String {
    let deprecation = format!("<{url}>; rel=\"deprecation\"");
    match (is_deprecated, ends) {
        (false, true) => format!("<{url}>; rel=\"sunset\""),
        (_, false) => deprecation,
        (true, true) => format!("{deprecation}, <{url}>; rel=\"sunset\""),
    }
}

/// RFC 9110 5.6.7; none for years that have more than four digits.
fn http_date(at: Timestamp) -> Option<String> {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, header::HeaderValue};

    use super::Notice;
    use crate::config::{PlainAction, PlainHttp};

    fn config(deprecation: Option<&str>, sunset: Option<&str>, notice: Option<&str>) -> PlainHttp {
        PlainHttp {
            action: PlainAction::Forward,
            deprecation: deprecation.map(|text| text.parse().unwrap()),
            sunset: sunset.map(|text| text.parse().unwrap()),
            notice: notice.map(str::to_owned),
            ..PlainHttp::default()
        }
    }

    fn fields(config: &PlainHttp) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        Notice::of_plain_http(config).unwrap().put(&mut headers);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    #[test]
    fn dates_and_links_in_the_words_of_their_rfcs() {
        // The examples of RFC 9745 2.1 and RFC 8594 3.
        let (from, until) = ("2023-06-30T23:59:59Z", "2018-12-31T23:59:59Z");
        let both = config(Some(from), Some(until), Some("https://a/n"));
        let expected = [
            ("deprecation", "@1688169599"),
            ("sunset", "Mon, 31 Dec 2018 23:59:59 GMT"),
            ("link", "<https://a/n>; rel=\"deprecation\", <https://a/n>; rel=\"sunset\""),
        ];
        let expected: Vec<_> =
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(fields(&both), expected);
        assert_eq!(fields(&config(Some(from), None, None)), expected[..1]);
        let link = |config| fields(config).pop().unwrap().1;
        let ends = config(None, Some(until), Some("https://a/n"));
        assert_eq!(link(&ends), "<https://a/n>; rel=\"sunset\"");
        let bare = config(None, None, Some("https://a/n"));
        assert_eq!(link(&bare), "<https://a/n>; rel=\"deprecation\"");
    }

    #[test]
    fn nothing_said_or_nothing_forwarded_is_no_notice() {
        assert_eq!(Notice::of_plain_http(&config(None, None, None)), None);
        let redirected = PlainHttp {
            action: PlainAction::Redirect,
            ..config(Some("2023-06-30T23:59:59Z"), None, None)
        };
        assert_eq!(Notice::of_plain_http(&redirected), None);
    }

    #[test]
    fn an_upstreams_own_dates_stand_and_its_links_stay() {
        let mut headers = HeaderMap::new();
        headers.insert("sunset", HeaderValue::from_static("own"));
        headers.insert("link", HeaderValue::from_static("<a>; rel=next"));
        let config = config(None, Some("2018-12-31T23:59:59Z"), Some("https://a/n"));
        Notice::of_plain_http(&config).unwrap().put(&mut headers);
        assert_eq!(headers.get_all("sunset").iter().count(), 1);
        assert_eq!(headers["sunset"], "own");
        assert_eq!(headers.get_all("link").iter().count(), 2);
    }
}
