//! What an operator may order: pause, resume, rearm. As JSON in and JSON out.
//!
//! Called by the admin port for `POST /rollout/pause|resume|rearm`. Each order says who gives it
//! and why, a pause also until when; each is an event in the log.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Brake, Control, Pause};
use crate::config;

/// A pause is no longer than this: what shall stop for good is a change of the schedule.
const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Characters of a name or a reason.
const LONGEST_TEXT: usize = 200;

/// Why an order is not carried out. The answer is a 400, but for `Nothing`, which is a 409.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The body is no order.
    #[error("the order is not as expected: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A text is missing, too long, or more than a line.
    #[error("\"{0}\" is missing; expected 1 to 200 characters on one line")]
    Text(&'static str),
    /// There is no end, or two.
    #[error(
        "expected either \"until\", a time such as \"2027-01-12T12:00:00Z\", or \"for\", a \
         duration such as \"2h\""
    )]
    End,
    /// The end has passed, or is further away than a pause may be.
    #[error("the pause would end at {0}; expected a time from now to 31 days ahead")]
    Range(Timestamp),
    /// `[rollout]` or `[plain_http.rollout]` is not configured.
    #[error("there is no such rollout in force")]
    NoRollout,
    /// It is not paused, or its fuse has not blown.
    #[error("there is nothing to {0}")]
    Nothing(&'static str),
}

/// Which rollouts an order is for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Which {
    Tls,
    PlainHttp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// One of the two; absent: both that there are.
    rollout: Option<Which>,
    by: Option<String>,
    why: Option<String>,
    until: Option<String>,
    #[serde(rename = "for")]
    lasts: Option<String>,
}

impl Order {
    fn read(body: &[u8]) -> Result<Self, OrderError> {
        let order: Self = serde_json::from_slice(body)?;
        text("by", order.by.as_deref())?;
        text("why", order.why.as_deref())?;
        Ok(order)
    }

    fn by(&self) -> &str {
        self.by.as_deref().unwrap_or_default()
    }

    fn why(&self) -> &str {
        self.why.as_deref().unwrap_or_default()
    }

    fn no_end(&self) -> Result<(), OrderError> {
        let none = self.until.is_none() && self.lasts.is_none();
        if none { Ok(()) } else { Err(OrderError::End) }
    }

    fn end(&self, now: Timestamp) -> Result<Timestamp, OrderError> {
        let until = match (&self.until, &self.lasts) {
            (Some(until), None) => {
                until.parse().map_err(|_no_time: jiff::Error| OrderError::End)?
            }
            (None, Some(lasts)) => {
                let lasts = config::duration(lasts).ok_or(OrderError::End)?;
                let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::MAX);
                now.checked_add(lasts).unwrap_or(Timestamp::MAX)
            }
            _ => return Err(OrderError::End),
        };
        let ahead = until.duration_since(now);
        if ahead <= SignedDuration::ZERO || ahead > LONGEST {
            return Err(OrderError::Range(until));
        }
        Ok(until)
    }
}

fn text(name: &'static str, text: Option<&str>) -> Result<(), OrderError> {
    let fits = |text: &str| {
        let short = text.chars().count() <= LONGEST_TEXT;
        short && !text.trim().is_empty() && !text.contains(char::is_control)
    };
    if text.is_some_and(fits) { Ok(()) } else { Err(OrderError::Text(name)) }
}

impl Control {
    /// Nobody is refused by the rollout until an end: `{"by": "ann", "why": "...", "for": "2h"}`,
    /// with `until` instead of `for`, and `"rollout": "tls"` or `"plain_http"` for one of the two.
    ///
    /// # Errors
    /// Where the order is none; nothing has changed then.
    pub fn pause(&self, body: &[u8], now: Timestamp) -> Result<Value, OrderError> {
        let order = Order::read(body)?;
        let until = order.end(now)?;
        for brake in self.brakes(&order)? {
            let (by, why) = (order.by().to_owned(), order.why().to_owned());
            brake.stop(Pause { until, by, why });
        }
        Ok(json!({ "paused_until": until.to_string() }))
    }

    /// Ends a pause: `{"by": "ann", "why": "..."}`.
    ///
    /// # Errors
    /// Where the order is none, or nothing is paused.
    pub fn resume(&self, body: &[u8], now: Timestamp) -> Result<Value, OrderError> {
        let order = Order::read(body)?;
        order.no_end()?;
        let resume = |brake: &Brake| brake.resume(now, order.by(), order.why());
        let resumed = self.brakes(&order)?.into_iter().map(resume).filter(|was| *was).count();
        if resumed == 0 {
            return Err(OrderError::Nothing("resume"));
        }
        Ok(json!({ "resumed": resumed }))
    }

    /// Makes a fuse that has blown good again: `{"by": "ann", "why": "..."}`.
    ///
    /// # Errors
    /// Where the order is none, or no fuse has blown.
    pub fn rearm(&self, body: &[u8]) -> Result<Value, OrderError> {
        let order = Order::read(body)?;
        order.no_end()?;
        let rearm = |brake: &Brake| brake.rearm(order.by(), order.why());
        let rearmed = self.brakes(&order)?.into_iter().map(rearm).filter(|was| *was).count();
        if rearmed == 0 {
            return Err(OrderError::Nothing("rearm"));
        }
        Ok(json!({ "rearmed": rearmed }))
    }

    /// Those that an order is for, as far as there is something to be stopped.
    fn brakes(&self, order: &Order) -> Result<Vec<&Brake>, OrderError> {
        let in_force = self.in_force().ok_or(OrderError::NoRollout)?;
        let tls = (!in_force.tls.legacy.is_empty()).then_some(&**self.tls());
        let plain = in_force.plain_http.as_ref().map(|_| &**self.plain_http());
        let brakes: Vec<_> = match order.rollout {
            None => tls.into_iter().chain(plain).collect(),
            Some(Which::Tls) => tls.into_iter().collect(),
            Some(Which::PlainHttp) => plain.into_iter().collect(),
        };
        if brakes.is_empty() { Err(OrderError::NoRollout) } else { Ok(brakes) }
    }
}
