//! The life of a request, straight down the page.
//!
//! Called by hyper for each request of a connection, HTTP/1.1 and HTTP/2 alike. It always gives
//! an answer: what fails on the way becomes problem details, never a silent close.

use std::{convert::Infallible, pin::Pin, rc::Rc};

use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::Incoming,
    header::{CONTENT_LENGTH, HeaderValue, RETRY_AFTER},
    service::Service,
};

use super::{
    Asker, Body, Client, RequestError, Tunnel,
    access::Exchange,
    asker::X_REQUEST_ID,
    authority::Authority,
    body::Content,
    coding,
    errand::Errand,
    forwarding::Hop,
    grpc, headers,
    held::{self, Deadline},
    own, plain, respond,
    routing::{self, Taken, Way},
    self_test,
    upgrade::Asked,
};
use crate::{
    shard::View,
    upstream::{self, Switched},
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
    let asker = Asker::of(&client, &view, request.headers());
    let tone = Tone {
        head: request.method() == Method::HEAD,
        version: request.version(),
        grpc: grpc::content_type(&request),
        notice: plain::has_notice(&client, &view, &request),
    };
    let next = decide(&client, &view, &mut exchange, &asker, request);
    let id = asker.id;
    Box::pin(async move {
        let mut deadline = Deadline::default();
        let answered = match next {
            Ok(Next::Answer(response)) => Ok(ours(&client, &view, response, &tone, &id)),
            Ok(Next::Forward(errand)) => {
                deadline = Deadline::after(&client, errand.limit);
                forward(&client, &view, errand, &deadline).await
            }
            // Boxed: most requests reserve no room for this.
            Ok(Next::Upgrade(errand, asked)) => {
                deadline = Deadline::after(&client, errand.limit);
                match Box::pin(upgrade(&client, &view, errand, &asked, &deadline)).await {
                    Ok(Upgraded::Tunnel(response, tunnel)) => {
                        exchange.answered(response.status());
                        begin(&client, asked, Tunnel::new(tunnel, exchange));
                        return Ok(response.map(|()| Body::none()));
                    }
                    Ok(Upgraded::Declined(response)) => Ok(response),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        let mut response = answered.unwrap_or_else(|error| {
            // What we say ourselves is said even when the time is up.
            deadline = Deadline::default();
            failed(&client, &view, &error, &tone, &id)
        });
        tone.put(&client, &view, &mut response);
        self_test::finish(&exchange, &mut response);
        exchange.answered(response.status());
        Ok(response.map(|content| Body::new(content, exchange, deadline)))
    })
}

/// What of a request decides how it is spoken to.
struct Tone {
    /// It wants no body.
    head: bool,
    /// It is a gRPC call of this content type.
    grpc: Option<HeaderValue>,
    /// It has to hear that plain HTTP ends.
    notice: bool,
    version: Version,
}

impl Tone {
    /// What any answer may have to tell: that plain HTTP ends, that what the client has to offer
    /// will do no more, that the connection ends.
    fn put(&self, client: &Client, view: &View, response: &mut Response<Content>) {
        if self.notice
            && let Some(notice) = &view.snapshot.notice
        {
            notice.put(response.headers_mut());
        }
        if let Some(notice) = client.tls.as_ref().and_then(|tls| tls.notice.as_ref()) {
            notice.put(response.headers_mut());
        }
        held::last(client, view, self.version, response);
    }
}

/// What a request's head leads to; with what the response will be changed by.
enum Next {
    Answer(Response<Content>),
    Forward(Errand),
    Upgrade(Errand, Asked),
}

fn decide(
    client: &Client,
    view: &View,
    exchange: &mut Exchange,
    asker: &Asker,
    mut request: Request<Incoming>,
) -> Result<Next, RequestError> {
    let authority = Authority::of(&request);
    exchange.note(&request, authority.as_ref().ok().and_then(Option::as_ref), asker);
    held::head(&view.snapshot.config.limits.client, &request)?;
    if !client.shard.has_memory() {
        return Err(RequestError::OutOfMemory);
    }
    let authority = authority?;
    if client.tls.is_none()
        && let Some(answer) = plain::answer(client, view, authority.as_ref(), &request, asker)?
    {
        return Ok(Next::Answer(answer));
    }
    if self_test::answers(client, view, authority.as_ref()) {
        exchange.tests();
        let answer = self_test::answer(client, view, authority.as_ref(), &request, asker);
        return answer.map(Next::Answer);
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
    let forwarding = &view.snapshot.config.forwarding;
    let span = exchange.span();
    let hop = Hop { client, asker, authority: authority.as_ref(), forwarding, span };
    let asked = Asked::by(&mut request);
    let made = Errand::make(view, &hop, (index, route), pool, request, asked.as_ref());
    let errand = made.inspect(|errand| exchange.traced(errand.request.headers()))?;
    exchange.goes_to(upstream);
    Ok(match asked {
        Some(asked) => Next::Upgrade(errand, asked),
        None => Next::Forward(errand),
    })
}

async fn forward(
    client: &Client,
    view: &View,
    Errand { pool, request, terms, rules, wish, .. }: Errand,
    deadline: &Deadline,
) -> Result<Response<Content>, RequestError> {
    let sent = pool.send(request, terms);
    // Most requests have no deadline, and no layer of futures for one.
    let mut response =
        if deadline.is_set() { Box::pin(deadline.bound(sent)).await? } else { sent.await? };
    headers::to_client(&mut response, client, &view.snapshot, rules);
    Ok(coding::apply(&view.snapshot.config.compression, wish, response))
}

/// What came of asking an upstream for another protocol.
enum Upgraded {
    Tunnel(Response<()>, upstream::Tunnel),
    Declined(Response<Content>),
}

async fn upgrade(
    client: &Client,
    view: &View,
    Errand { pool, request, terms, rules, wish, .. }: Errand,
    asked: &Asked,
    deadline: &Deadline,
) -> Result<Upgraded, RequestError> {
    match deadline.bound(pool.upgrade(request, terms)).await? {
        Switched::Agreed(mut response, tunnel) => {
            if asked.answer(&mut response).is_none() {
                return Err(tunnel.mistaken().into());
            }
            rules.into_iter().for_each(|change| change.apply(response.headers_mut()));
            Ok(Upgraded::Tunnel(response, tunnel))
        }
        Switched::Declined(mut response) => {
            headers::to_client(&mut response, client, &view.snapshot, rules);
            let response = coding::apply(&view.snapshot.config.compression, wish, response);
            Ok(Upgraded::Declined(response))
        }
    }
}

/// Runs a tunnel as soon as its client has the answer that says so.
fn begin(client: &Rc<Client>, asked: Asked, tunnel: Tunnel) {
    match asked {
        // The connection ends its HTTP with this response, and finds it there.
        Asked::Http1(_) => client.tunnel.set(Some(Box::new(tunnel))),
        Asked::Http2(stream, _) => {
            tokio::task::spawn_local(tunnel.run_on(stream, Rc::clone(client)));
        }
    }
}

fn failed(
    client: &Client,
    view: &View,
    error: &RequestError,
    tone: &Tone,
    id: &HeaderValue,
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
    let response = match &tone.grpc {
        Some(content_type) => grpc::error(error, content_type.clone()),
        None => respond::error(error, &view.snapshot.error_pages, id),
    };
    let mut response = ours(client, view, response.map(Content::Own), tone, id);
    if let Some(seconds) = error.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What every answer of our own carries; to HEAD it is the same without its body, which hyper sees
/// to over HTTP/1.1 only.
fn ours(
    client: &Client,
    view: &View,
    mut response: Response<Content>,
    tone: &Tone,
    id: &HeaderValue,
) -> Response<Content> {
    let status = response.status();
    // RFC 9110 8.6
    let may_have_length = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if tone.head
        && may_have_length
        && let Content::Own(body) = std::mem::replace(response.body_mut(), Content::none())
    {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.clone());
    headers::set_hsts(headers, client, &view.snapshot);
    response
}
