//! The life of a request, straight down the page.
//!
//! Called by hyper for each request of a connection, HTTP/1.1 and HTTP/2 alike. It always gives
//! an answer: what fails on the way becomes problem details, never a silent close.

use std::{convert::Infallible, pin::Pin, rc::Rc};

use bytes::Bytes;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue, LOCATION},
    service::Service,
};

use super::{
    Body, Client, RequestError,
    access::Exchange,
    authority::Authority,
    body::Content,
    coding::{self, Wish},
    headers,
    held::{self, Deadline},
    redirect, respond,
};
use crate::{
    config::PlainAction,
    shard::View,
    timer::Ticks,
    upstream::{Pool, RequestBody},
};

/// What hyper calls for each request of a connection.
#[derive(Clone, Debug)]
pub(super) struct Requests(pub(super) Rc<Client>);

/// An answer on its way. Boxed: hyper moves it several times, and an idle connection does not
/// reserve room for one.
pub(super) type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>>>>;

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        answer(Rc::clone(&self.0), request)
    }
}

/// Answers one request. All that needs no waiting is done before there is a future, so that the
/// future holds only what waits.
fn answer(client: Rc<Client>, request: Request<Incoming>) -> Answering {
    let view = client.shard.view();
    let mut exchange = Exchange::begin(&client, &view, &request);
    let id = client.shard.request_ids.next();
    let version = request.version();
    let next = decide(&client, &view, &mut exchange, &id, request);
    Box::pin(async move {
        let mut deadline = Deadline::default();
        let answered = match next {
            Ok(Next::Answer(response)) => Ok(response),
            Ok(Next::Forward(pool, request, Terms { limit, wish })) => {
                deadline = Deadline::after(&client, limit);
                deadline.bound(forward(&client, &view, &pool, request, wish)).await
            }
            Err(error) => Err(error),
        };
        let mut response = answered.unwrap_or_else(|error| {
            // What we say ourselves is said even when the time is up.
            deadline = Deadline::default();
            failed(&client, &view, &error, id)
        });
        held::last(&client, &view, version, &mut response);
        exchange.answered(response.status());
        Ok(response.map(|content| Body::new(content, exchange, deadline)))
    })
}

/// What a request's head leads to.
enum Next {
    Answer(Response<Content>),
    Forward(Rc<Pool>, Request<RequestBody>, Terms),
}

/// What a response is held to.
struct Terms {
    /// By when it has to have ended.
    limit: Option<Ticks>,
    /// How it may be compressed.
    wish: Wish,
}

fn decide(
    client: &Client,
    view: &View,
    exchange: &mut Exchange,
    id: &HeaderValue,
    request: Request<Incoming>,
) -> Result<Next, RequestError> {
    let authority = Authority::of(&request);
    exchange.note(&request, authority.as_ref().ok().and_then(Option::as_ref), id);
    held::head(&view.snapshot.config.limits.client, &request)?;
    let authority = authority?;
    if client.tls.is_none()
        && let Some(answer) = plain(client, view, authority.as_ref(), &request)?
    {
        return Ok(Next::Answer(answer));
    }
    let (route, pool) = find(client, view, authority.as_ref(), &request)?;
    exchange.takes(route);
    let bounds = view.bounds.get(route).ok_or(RequestError::NoRoute)?;
    let wish = if bounds.compress {
        Wish::of(&view.snapshot.config.compression, &request)
    } else {
        Wish::Untouched
    };
    let (mut parts, body) = request.into_parts();
    headers::to_upstream(&mut parts, client, authority.as_ref(), id.clone())?;
    let body = held::body(client, view, bounds, body, headers::is_grpc(&parts.headers))?;
    let request = Request::from_parts(parts, body);
    Ok(Next::Forward(Rc::clone(pool), request, Terms { limit: bounds.request, wish }))
}

async fn forward(
    client: &Client,
    view: &View,
    pool: &Rc<Pool>,
    request: Request<RequestBody>,
    wish: Wish,
) -> Result<Response<Content>, RequestError> {
    let mut response = pool.send(request).await?;
    headers::to_client(&mut response, client, &view.snapshot);
    Ok(coding::apply(&view.snapshot.config.compression, wish, response))
}

/// What a plain port answers by itself; none where the request is forwarded.
fn plain<B>(
    client: &Client,
    view: &View,
    authority: Option<&Authority>,
    request: &Request<B>,
) -> Result<Option<Response<Content>>, RequestError> {
    let config = &view.snapshot.config.plain_http;
    let action = redirect::action(config, request.uri().path());
    client.shard.counters.plain_http(action);
    match action {
        PlainAction::Forward => Ok(None),
        PlainAction::Refuse => Err(RequestError::PlainHttp),
        PlainAction::Redirect => {
            let authority = authority.ok_or(RequestError::HostMissing)?;
            let path = request.uri().path_and_query();
            let target = redirect::target(config, authority.host(), path);
            moved(config.status, &target).map(Some)
        }
    }
}

fn moved(status: u16, target: &str) -> Result<Response<Content>, RequestError> {
    let location = HeaderValue::try_from(target);
    let location = location.map_err(|_invalid| RequestError::TargetInvalid)?;
    let text = format!("This API is served over HTTPS only: {target}\n");
    let mut response = Response::new(Content::Own(Bytes::from(text)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}

fn find<'a, B>(
    client: &Client,
    view: &'a View,
    authority: Option<&Authority>,
    request: &Request<B>,
) -> Result<(usize, &'a Rc<Pool>), RequestError> {
    let sni = client.tls.as_ref().and_then(|tls| tls.sni.as_ref());
    let host = authority.map_or_else(|| sni.map_or("", |sni| sni.as_str()), Authority::host);
    let snapshot = &view.snapshot;
    let route = snapshot.router.find(host, request.uri().path());
    let route = route.ok_or(RequestError::NoRoute)?;
    let upstream = snapshot.config.routes.get(route).map(|route| route.upstream);
    let pool = upstream.and_then(|upstream| view.pools.get(upstream));
    Ok((route, pool.ok_or(RequestError::NoRoute)?))
}

fn failed(
    client: &Client,
    view: &View,
    error: &RequestError,
    id: HeaderValue,
) -> Response<Content> {
    tracing::debug!(
        client = %client.address.ip,
        status = error.status().as_u16(),
        cause = std::error::Error::source(error).map(tracing::field::display),
        %error,
        "answered by the proxy",
    );
    if let Some(limit) = error.limit() {
        client.shard.counters.limit(limit);
    }
    let mut response = respond::error(error).map(Content::Own);
    response.headers_mut().insert(headers::X_REQUEST_ID, id);
    headers::set_hsts(response.headers_mut(), client, &view.snapshot);
    response
}
