//! A request on a plain port: counted with what it leaked, then sent to HTTPS, refused, or let
//! through.
//!
//! Called by `service` before a route is looked for. With a rollout its stage decides, per request
//! and client. What is let through is told on its response that plain HTTP ends, where that is
//! configured.

use hyper::{Request, Response, StatusCode};

use super::{
    Asker, Client, RequestError, authority::Authority, body::Content, credentials, own, redirect,
    self_test,
};
use crate::{
    config::{PlainAction, PlainHttp},
    metrics::{Credentials, LaneKind, Plain},
    rollout::{Facts, Fate, Moment, PlainRollout, Why},
    shard::View,
};

/// What a plain port answers by itself; none where the request is forwarded.
pub(super) fn answer<B>(
    client: &Client,
    view: &View,
    authority: Option<&Authority>,
    request: &Request<B>,
    asker: &Asker,
) -> Result<Option<Response<Content>>, RequestError> {
    let config = &view.snapshot.config.plain_http;
    let kind = credentials::seen(config, request).next().map(|(kind, _)| kind);
    let path = request.uri().path();
    // Nothing is ever forwarded for a host that only tests, exempt paths included.
    let tests = authority.is_some_and(|authority| self_test::is_one(view, authority));
    let rollouts = &view.snapshot.rollouts;
    let planned = match &rollouts.plain_http {
        _ if tests => Planned { action: PlainAction::Redirect, refusal: RequestError::PlainHttp },
        Some(plain) if !redirect::is_exempt(config, path) => {
            planned((plain, rollouts.clock.now()), config, asker)
        }
        _ => Planned { action: config.action, refusal: RequestError::PlainHttp },
    };
    let action = redirect::action(config, planned.action, request.method(), path, kind.is_some());
    let action = match action {
        PlainAction::Forward if tests => PlainAction::Redirect,
        action => action,
    };
    if rollouts.plain_http.is_some() && !tests && !redirect::is_exempt(config, path) {
        note(client, asker, action);
    }
    client.shard.counters.plain_http(action, kind.unwrap_or(Credentials::None));
    if kind.is_some() {
        credentials::record(client, view, request, authority, &asker.id, Plain::from(action));
    }
    match action {
        PlainAction::Forward => Ok(None),
        PlainAction::Refuse => Err(planned.refusal),
        PlainAction::Redirect => {
            let authority = authority.ok_or(RequestError::HostMissing)?;
            let path = request.uri().path_and_query();
            let target = redirect::target(config, authority.host(), path);
            let status =
                StatusCode::from_u16(config.status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
            own::moved(status, &target, "This API is served over HTTPS only").map(Some)
        }
    }
}

/// Once a connection: a client that asks a hundred times is one.
fn note(client: &Client, asker: &Asker, action: PlainAction) {
    if client.in_census.replace(true) {
        return;
    }
    let spared = action == PlainAction::Forward;
    let lane = if spared { LaneKind::Serve } else { LaneKind::Refuse };
    client.shard.shared.census.note_plain_http(asker.address, lane);
}

/// What the stage of the rollout has for a request, and the words for a refusal.
struct Planned {
    action: PlainAction,
    refusal: RequestError,
}

fn planned((plain, now): (&PlainRollout, Moment), config: &PlainHttp, asker: &Asker) -> Planned {
    let fate = plain.rollout.decide(&Facts::new(asker.address.ip, None), now);
    let (action, refusal) = match fate {
        Fate::Spare(_) => (PlainAction::Forward, RequestError::PlainHttp),
        Fate::Refuse(Why::Brownout, _) => {
            let until = plain.rollout.schedule.brownout_end(now.wall);
            let until = until.map_or_else(String::new, |until| format!(", until {until}"));
            let what = format!("is switched off for a while{until}");
            let words = words(&what, plain, config);
            (PlainAction::Refuse, RequestError::PlainHttpBrownout(words))
        }
        Fate::Refuse(Why::Ramp, _) => {
            let words = words("has ended for some clients, you among them", plain, config);
            (PlainAction::Refuse, RequestError::PlainHttpRamp(words))
        }
        Fate::Refuse(..) => (plain.to, RequestError::PlainHttp),
    };
    Planned { action, refusal }
}

/// What happens, until when, when it ends for good, and where that is announced: all of it from the
/// configuration.
fn words(what: &str, plain: &PlainRollout, config: &PlainHttp) -> Box<str> {
    let cut = plain.rollout.schedule.cut();
    let cut = cut.map_or_else(String::new, |cut| format!("; it ends for all at {cut}"));
    let notice = config.notice.as_ref().map_or_else(String::new, |url| format!("; see {url}"));
    format!(
        "plain HTTP {what}{cut}; send the request to an https:// URL, and replace any credentials \
         that were sent in clear{notice}"
    )
    .into()
}

/// Whether the response has to tell that plain HTTP ends: not on paths that stay in clear.
pub(super) fn has_notice<B>(client: &Client, view: &View, request: &Request<B>) -> bool {
    let snapshot = &view.snapshot;
    client.tls.is_none()
        && snapshot.notice.is_some()
        && !redirect::is_exempt(&snapshot.config.plain_http, request.uri().path())
}
