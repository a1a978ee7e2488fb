//! The life of a request, straight down the page.
//!
//! Called by hyper for each request of a connection, HTTP/1.1 and HTTP/2 alike. It always gives
//! an answer: what fails on the way becomes problem details, never a silent close.

use std::{convert::Infallible, pin::Pin, rc::Rc};

use hyper::{
    Method, Request, Response,
    body::{Body as HttpBody, Incoming},
    header::{CONTENT_LENGTH, HeaderValue},
    service::Service,
};

use super::{
    Body, Client, RequestError,
    access::Exchange,
    authority::Authority,
    body::Content,
    headers, own, path, plain, respond,
    routing::{self, Taken, Way},
};
use crate::{
    shard::View,
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
    let head = request.method() == Method::HEAD;
    let notice = plain::has_notice(&client, &view, &request);
    let next = decide(&client, &view, &mut exchange, &id, request);
    Box::pin(async move {
        let answered = match next {
            Ok(Next::Answer(response)) => Ok(ours(&client, &view, response, head, &id)),
            Ok(Next::Forward(pool, request)) => forward(&client, &view, &pool, request).await,
            Err(error) => Err(error),
        };
        let mut response = answered.unwrap_or_else(|error| {
            let response = failed(&client, &view, &error, &id);
            ours(&client, &view, response, head, &id)
        });
        if notice && let Some(notice) = &view.snapshot.notice {
            notice.put(response.headers_mut());
        }
        exchange.answered(response.status());
        Ok(response.map(|content| Body::new(content, exchange)))
    })
}

/// What a request's head leads to.
enum Next {
    Answer(Response<Content>),
    Forward(Rc<Pool>, Request<RequestBody>),
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
    let authority = authority?;
    if client.tls.is_none()
        && let Some(answer) = plain::answer(client, view, authority.as_ref(), &request, id)?
    {
        return Ok(Next::Answer(answer));
    }
    let Taken { index, route, way } = routing::take(client, view, authority.as_ref(), &request)?;
    exchange.takes(index);
    let matched = route.path.as_str().len();
    let (upstream, pool) = match way {
        Way::Upstream(upstream, pool) => (upstream, pool),
        Way::Respond(respond) => return Ok(Next::Answer(own::respond(respond))),
        Way::Redirect(redirect) => {
            let answer = own::redirect(redirect, client, authority.as_ref(), &request, matched);
            return answer.map(Next::Answer);
        }
    };
    let (mut parts, body) = request.into_parts();
    if let Some(prefix) = &route.rewrite_prefix {
        let rewritten = path::rewrite(&parts.uri, matched, prefix);
        parts.uri = rewritten.ok_or(RequestError::PathClimbs)?;
    }
    headers::to_upstream(&mut parts, client, authority.as_ref(), id.clone())?;
    let body = upload(client, view, body);
    exchange.goes_to(upstream);
    Ok(Next::Forward(Rc::clone(pool), Request::from_parts(parts, body)))
}

async fn forward(
    client: &Client,
    view: &View,
    pool: &Rc<Pool>,
    request: Request<RequestBody>,
) -> Result<Response<Content>, RequestError> {
    let mut response = pool.send(request).await?;
    headers::to_client(&mut response, client, &view.snapshot);
    Ok(response.map(Content::Upstream))
}

fn upload(client: &Client, view: &View, body: Incoming) -> RequestBody {
    if body.is_end_stream() {
        RequestBody::empty()
    } else {
        RequestBody::stream(body, client.shard.timers.timer(), view.timeouts.body)
    }
}

fn failed(
    client: &Client,
    view: &View,
    error: &RequestError,
    id: &HeaderValue,
) -> Response<Content> {
    tracing::debug!(
        client = %client.address.ip,
        status = error.status().as_u16(),
        cause = std::error::Error::source(error).map(tracing::field::display),
        %error,
        "answered by the proxy",
    );
    respond::error(error, &view.snapshot.error_pages, id).map(Content::Own)
}

/// What every answer of our own carries; to HEAD it is the same without its body, which hyper sees
/// to over HTTP/1.1 only.
fn ours(
    client: &Client,
    view: &View,
    mut response: Response<Content>,
    head: bool,
    id: &HeaderValue,
) -> Response<Content> {
    if head && let Content::Own(body) = std::mem::replace(response.body_mut(), Content::none()) {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let headers = response.headers_mut();
    headers.insert(headers::X_REQUEST_ID, id.clone());
    headers::set_hsts(headers, client, &view.snapshot);
    response
}
