//! Who is asking, as far as a page has to know: the cart, the language, and whether the way here is private.

use std::{convert::Infallible, sync::Arc};

use axum::extract::FromRequestParts;
use http::request::Parts;
use mesh::{Peer, identity::Transport};

use super::{
    Shop,
    amount::{self, Language},
    cookie::{CART, CartId},
};

const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Whoever asks for a page.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) cart: Option<CartId>,
    pub(super) language: &'static Language,
    /// The browser came by https, so that its cookies may say that they want nothing else.
    pub(super) is_secure: bool,
}

impl FromRequestParts<Arc<Shop>> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<Shop>) -> Result<Self, Infallible> {
        Ok(Self {
            cart: CART.read(&parts.headers),
            language: amount::spoken(&parts.headers),
            is_secure: shop.https_only || is_forwarded_from_https(parts, shop),
        })
    }
}

/// Whether a proxy that is believed says that the browser came by https.
fn is_forwarded_from_https(parts: &Parts, shop: &Shop) -> bool {
    let Some(Transport::Tcp(address)) = parts.extensions.get::<Peer>().map(|peer| peer.transport) else { return false };
    let is_believed = shop.trusted_proxies.iter().any(|network| network.contains(address.ip()));
    // The last one is the nearest proxy's own.
    let said = parts.headers.get_all(FORWARDED_PROTO).iter().next_back().and_then(|value| value.to_str().ok());
    let nearest = said.and_then(|said| said.rsplit(',').next());
    is_believed && nearest.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}
