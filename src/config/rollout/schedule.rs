//! The schedule of a rollout: from what is written to what is meant.
//!
//! Called by `resolve`. A schedule only ever tightens: shares grow, and nothing comes after the
//! cut, unless it says so.

use std::{ops::Range, time::Duration};

use jiff::{SignedDuration, Timestamp};
use toml::Spanned;

use super::{Brownout, Cut, RampStep, Schedule, raw, resolve::second};
use crate::config::{
    document::Document,
    raw::{Moment, Text},
    resolve::value::{self, wrong},
    units,
};

/// A brownout is seconds at the least and a year at the most.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(366 * 86_400);

/// The keys of it, as written.
type Written = (Option<Moment>, Vec<Spanned<raw::RampStep>>, Vec<Spanned<raw::Brownout>>);

pub(super) fn schedule(
    (cut, ramp, brownouts): Written,
    allow_loosening: bool,
    key: &str,
    document: &mut Document<'_>,
) -> Schedule {
    let cut_key = format!("{key}.cut");
    let cut = cut.and_then(|written| {
        let at = second(Some(&written), &cut_key, document)?;
        Some(Cut { at, place: document.place(written.span(), &cut_key) })
    });
    let end = cut.as_ref().map(|cut| cut.at);
    let mut steps: Vec<RampStep> = Vec::new();
    for (index, raw) in ramp.into_iter().enumerate() {
        let key = format!("{key}.ramp[{index}]");
        let span = raw.span();
        let Some(step) = step(&raw.into_inner(), span.clone(), &key, document) else { continue };
        if let Some(text) = misplaced(&step, steps.last(), end, allow_loosening) {
            document.report(span, &key, text);
        }
        steps.push(step);
    }
    let mut windows = Vec::new();
    for (index, raw) in brownouts.into_iter().enumerate() {
        windows.extend(brownout(raw, end, &format!("{key}.brownouts[{index}]"), document));
    }
    Schedule { cut, ramp: steps, brownouts: windows, allow_loosening }
}

fn step(
    raw: &raw::RampStep,
    span: Range<usize>,
    key: &str,
    document: &mut Document<'_>,
) -> Option<RampStep> {
    let (at_key, percent_key) = (format!("{key}.at"), format!("{key}.percent"));
    if raw.at.is_none() {
        value::missing(document, span.clone(), &at_key, "a time");
    }
    if raw.percent.is_none() {
        value::missing(document, span.clone(), &percent_key, "how many of a hundred clients");
    }
    let percent = value::number(document, raw.percent.as_ref(), &percent_key, 0, 0..=100);
    let at = second(raw.at.as_ref(), &at_key, document)?;
    let right = !document.has_reported(key);
    right.then(|| RampStep { at, percent, place: document.place(span, key) })
}

/// What is wrong with where a step stands.
fn misplaced(
    step: &RampStep,
    above: Option<&RampStep>,
    cut: Option<Timestamp>,
    allow_loosening: bool,
) -> Option<String> {
    let RampStep { at, percent, .. } = step;
    if let Some(above) = above.filter(|above| *at <= above.at) {
        return Some(format!("found {at}, expected a time after {}, of the step above", above.at));
    }
    let after_cut = |step: &RampStep| cut.is_some_and(|cut| step.at >= cut);
    if after_cut(step) && !allow_loosening {
        return Some(format!(
            "found {percent} percent after the cut, which would let in clients that it refuses; \
             expected a time before the cut, or allow_loosening = true to take the cut back"
        ));
    }
    // Taking the cut back begins anew.
    let above = above.filter(|above| after_cut(above) == after_cut(step));
    let before = above.map_or(0, |above| above.percent);
    let shrinks = *percent <= before && (above.is_some() || !after_cut(step));
    shrinks.then(|| {
        format!(
            "found {percent} percent after {before}, expected more: shares only grow, so that a \
             client that is refused stays so"
        )
    })
}

fn brownout(
    raw: Spanned<raw::Brownout>,
    cut: Option<Timestamp>,
    key: &str,
    document: &mut Document<'_>,
) -> Option<Brownout> {
    let span = raw.span();
    let raw = raw.into_inner();
    let at = |name: &str| format!("{key}.{name}");
    if raw.from.is_none() {
        value::missing(document, span.clone(), &at("from"), "when it begins");
    }
    let percent = value::number(document, raw.percent.as_ref(), &at("percent"), 100, 1..=100);
    let every = length(raw.every.as_ref(), &at("every"), document);
    let lasts = length(raw.lasts.as_ref(), &at("lasts"), document);
    let from = second(raw.from.as_ref(), &at("from"), document)?;
    let until = second(raw.until.as_ref(), &at("until"), document);
    if let (Some(written), Some(true)) = (&raw.until, until.map(|until| until <= from)) {
        let text = format!("found {}, expected a time after from", written.get_ref());
        document.report(written.span(), &at("until"), text);
        return None;
    }
    let shape = Shape { from, until, every, lasts };
    match shape.resolve((raw.every.is_some(), raw.lasts.is_some(), raw.until.is_some()), cut) {
        Ok((until, lasts)) => {
            let place = document.place(span, key);
            Some(Brownout { from, until, every, lasts, percent, place })
        }
        Err(Wrong::Missing(name, what)) => {
            value::missing(document, span, &at(name), what);
            None
        }
        Err(Wrong::Every(expected)) => {
            raw.every.iter().for_each(|text| wrong(document, text, &at("every"), expected));
            None
        }
        Err(Wrong::Lasts(expected)) => {
            raw.lasts.iter().for_each(|text| wrong(document, text, &at("lasts"), expected));
            None
        }
    }
}

/// The times of a brownout, as far as they are given.
struct Shape {
    from: Timestamp,
    until: Option<Timestamp>,
    every: Option<Duration>,
    lasts: Option<Duration>,
}

enum Wrong {
    Missing(&'static str, &'static str),
    Every(&'static str),
    Lasts(&'static str),
}

impl Shape {
    /// Its end and the length of each; `written` has every, lasts and until, right or wrong.
    fn resolve(
        &self,
        written: (bool, bool, bool),
        cut: Option<Timestamp>,
    ) -> Result<(Timestamp, Duration), Wrong> {
        // Beyond the year 9999 there is nothing.
        let after = |lasts| {
            let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::MAX);
            self.from.checked_add(lasts).unwrap_or(Timestamp::MAX)
        };
        match written {
            (true, false, _) => Err(Wrong::Missing("lasts", "how long each lasts")),
            (true, true, has_until) => {
                let cut = cut.filter(|cut| *cut > self.from && !has_until);
                let until = self.until.or(cut);
                let until = until.ok_or(Wrong::Missing("until", "when the last has ended"))?;
                let lasts = self.lasts.unwrap_or(LEAST);
                if self.every.is_some_and(|every| every <= lasts) {
                    return Err(Wrong::Every("more than lasts; without a pause, leave every out"));
                }
                Ok((until, lasts))
            }
            (false, true, true) => Err(Wrong::Lasts("either lasts or until, or every with both")),
            (false, true, false) => {
                let lasts = self.lasts.unwrap_or(LEAST);
                Ok((after(lasts), lasts))
            }
            (false, false, true) => {
                let until = self.until.unwrap_or(self.from);
                let lasts = until.duration_since(self.from);
                Ok((until, Duration::try_from(lasts).unwrap_or(LEAST)))
            }
            (false, false, false) => {
                Err(Wrong::Missing("lasts", "how long it lasts, or until when"))
            }
        }
    }
}

/// A duration in whole seconds; none, and reported, where it is something else.
fn length(value: Option<&Text>, key: &str, document: &mut Document<'_>) -> Option<Duration> {
    let text = value?;
    match units::duration(text.get_ref()) {
        Some(duration) if duration.subsec_nanos() == 0 => {
            Some(value::duration(document, value, key, LEAST, LEAST..=MOST))
        }
        Some(_) => {
            wrong(document, text, key, "whole seconds");
            None
        }
        None => {
            wrong(document, text, key, units::DURATION);
            None
        }
    }
}
