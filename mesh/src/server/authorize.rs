//! Lets in who may call, by the token that a call brings.
//!
//! A token that is presented has to be valid, whatever it is presented for: nobody is told "anonymous may not" who believes
//! to be somebody. Inside the record, so that refusals are counted and traced; before the context, which has the caller.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::{Layer, Service};

use crate::{
    identity::Principal,
    status,
    token::{self, Caller, Refusal, Verifier},
};

/// The domain of this layer's errors.
const DOMAIN: &str = "mesh";

/// Who may call a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Whoever reaches it.
    Anybody,
    /// Who has a token of this role, as the principal's name says.
    Role(Principal),
    /// Nobody.
    Nobody,
}

/// Who may call which method, by its path. What is not in it, such as health and reflection, is open.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    by_path: HashMap<String, Rule>,
}

impl Policy {
    /// Who may call what is at this path.
    #[must_use]
    pub fn at(&self, path: &str) -> &Rule {
        self.by_path.get(path).unwrap_or(&Rule::Anybody)
    }
}

impl FromIterator<(String, Rule)> for Policy {
    fn from_iter<I: IntoIterator<Item = (String, Rule)>>(rules: I) -> Self {
        Self { by_path: rules.into_iter().collect() }
    }
}

/// Makes [`Authorize`].
#[derive(Clone, Debug)]
pub(super) struct AuthorizeLayer {
    service: Arc<str>,
    policy: Arc<Policy>,
    tokens: Arc<Verifier>,
}

impl AuthorizeLayer {
    pub(super) fn new(service: &Arc<str>, policy: Policy, tokens: &Arc<Verifier>) -> Self {
        Self { service: Arc::clone(service), policy: Arc::new(policy), tokens: Arc::clone(tokens) }
    }

    /// Who the caller's token says it is, where it brings one.
    #[allow(clippy::result_large_err, reason = "Status is what an RPC is refused with")]
    fn admit(&self, path: &str, headers: &HeaderMap) -> Result<Option<Caller>, Status> {
        // Without keys nothing can be said of any token, and nothing but what needs one is refused.
        let caller = if self.tokens.has_keys() { self.caller(headers)? } else { None };
        match (self.policy.at(path), &caller) {
            (Rule::Anybody, _) => Ok(caller),
            (Rule::Role(role), Some(known)) if known.principal == *role => Ok(caller),
            (Rule::Role(_), None) => Err(self.token_required()),
            (Rule::Role(_), Some(known)) => Err(self.denied(path, Some(known))),
            (Rule::Nobody, known) => Err(self.denied(path, known.as_ref())),
        }
    }

    #[allow(clippy::result_large_err, reason = "Status is what an RPC is refused with")]
    fn caller(&self, headers: &HeaderMap) -> Result<Option<Caller>, Status> {
        let mut presented = headers.get_all(header::AUTHORIZATION).iter();
        let (first, second) = (presented.next(), presented.next());
        let Some(first) = first else { return Ok(None) };
        if second.is_some() {
            return Err(unauthenticated("TOKEN_INVALID", "there is more than one authorization header"));
        }
        let token = first.to_str().ok().and_then(bearer);
        let token = token.ok_or_else(|| unauthenticated("TOKEN_INVALID", "write authorization: Bearer TOKEN"))?;
        self.tokens.verify(token, token::now_s()).map(Some).map_err(|refusal| {
            let reason = match refusal {
                Refusal::Expired => "TOKEN_EXPIRED",
                Refusal::Invalid(_) => "TOKEN_INVALID",
            };
            unauthenticated(reason, &refusal.to_string())
        })
    }

    fn token_required(&self) -> Status {
        if self.tokens.has_keys() {
            return unauthenticated("TOKEN_REQUIRED", "this RPC needs a token: write authorization: Bearer TOKEN");
        }
        unauthenticated("TOKEN_KEYS_MISSING", "no token can be verified here: TOKEN_KEYS has no public key")
    }

    /// Who was refused is for the log: the caller knows who it is.
    fn denied(&self, method: &str, caller: Option<&Caller>) -> Status {
        // Only of bearers of valid tokens: whoever has none must not be able to fill the log.
        if let Some(Caller { subject, principal, .. }) = caller {
            tracing::warn!(service = %self.service, method, %principal, %subject, "call refused: not for this role");
        }
        refusal(Code::PermissionDenied, "ROLE_REQUIRED", "this RPC is for another role")
    }
}

/// The token of `Bearer TOKEN` (RFC 6750, 2.1; the scheme's case does not matter, RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthenticated(reason: &str, text: &str) -> Status {
    refusal(Code::Unauthenticated, reason, text)
}

fn refusal(code: Code, reason: &str, text: &str) -> Status {
    Status::with_error_details(code, text, ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new()))
}

impl<S> Layer<S> for AuthorizeLayer {
    type Service = Authorize<S>;

    fn layer(&self, inner: S) -> Authorize<S> {
        Authorize { inner, shared: self.clone() }
    }
}

/// Refuses every call that its caller may not make.
#[derive(Debug)]
pub(super) struct Authorize<S> {
    inner: S,
    shared: AuthorizeLayer,
}

impl<'a, S, B> Service<Request<crate::Body>> for &'a Authorize<S>
where
    &'a S: Service<Request<crate::Body>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<Body<B>>;
    type Error = Infallible;
    type Future = AuthorizeFuture<<&'a S as Service<Request<crate::Body>>>::Future>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<crate::Body>) -> Self::Future {
        let Authorize { inner, shared } = *self;
        // A call inside the process may have been made of another one, whose caller is not this one's.
        request.extensions_mut().remove::<Caller>();
        match shared.admit(request.uri().path(), request.headers()) {
            Ok(caller) => {
                if let Some(caller) = caller {
                    request.extensions_mut().insert(caller);
                }
                AuthorizeFuture { inner: Some({ inner }.call(request)), refusal: None }
            }
            Err(refusal) => AuthorizeFuture { inner: None, refusal: Some(Box::new(refusal)) },
        }
    }
}

pin_project! {
    /// A call that was let in, or its refusal.
    pub(super) struct AuthorizeFuture<F> {
        #[pin]
        inner: Option<F>,
        refusal: Option<Box<Status>>,
    }
}

impl<F, B> Future for AuthorizeFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Body<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(refusal) = this.refusal.take() {
            return Poll::Ready(Ok(status::response_of(&refusal).map(|_| Body { inner: None })));
        }
        let inner = this.inner.as_pin_mut().expect("polled after it was ready");
        let response = ready!(inner.poll(cx))?;
        Poll::Ready(Ok(response.map(|inner| Body { inner: Some(inner) })))
    }
}

pin_project! {
    /// The body of a call that was let in; a refusal has none.
    #[derive(Debug)]
    pub(super) struct Body<B> {
        #[pin]
        inner: Option<B>,
    }
}

impl<B: http_body::Body<Data = Bytes>> http_body::Body for Body<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().inner.as_pin_mut().map_or(Poll::Ready(None), |inner| inner.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}
