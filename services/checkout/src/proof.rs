//! Proof that something was quoted here: the id of a quote, which says what was quoted and is signed.
//!
//! Nothing is stored for a quote. What it says is checked again when the order is placed; the signature makes it this shop's
//! word, and its time one that nobody can change.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::order::Destination;
use crate::quote::Quote;
use rpc::Capability;

/// The longest id of a quote that is looked at.
pub(crate) const QUOTE_ID_MAX: usize = 1_024;
/// Bytes of a signature.
const SIGNATURE: usize = 32;

/// What was quoted, as its id says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quoted {
    pub(crate) cart: Capability,
    pub(crate) cart_etag: String,
    /// A digest of the place.
    place: String,
    pub(crate) shipping: String,
    pub(crate) expire_us: i64,
}

/// Signs quotes, and knows its own again.
#[derive(Clone)]
pub(crate) struct Signer {
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Quoted {
    /// Whether it was quoted for this place.
    pub(crate) fn is_to(&self, place: &Destination) -> bool {
        self.place == digest(place)
    }
}

impl Signer {
    /// Signs with this secret.
    pub(crate) fn new(secret: &str) -> Option<Self> {
        Some(Self { mac: Hmac::new_from_slice(secret.as_bytes()).ok()? })
    }

    /// The id of a quote.
    pub(crate) fn sign(&self, quote: &Quote) -> String {
        let quoted = Quoted {
            cart: quote.cart.clone(),
            cart_etag: quote.cart_etag.clone(),
            place: digest(&quote.destination),
            shipping: quote.shipping.id.clone(),
            expire_us: quote.expire_us,
        };
        // A struct of texts and numbers always has a JSON form.
        let text = serde_json::to_vec(&quoted).unwrap_or_default();
        let signature = self.mac.clone().chain_update(&text).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode([&*signature, &text].concat())
    }

    /// What was quoted under this id. `None`: nothing, here.
    pub(crate) fn read(&self, quote_id: &str) -> Option<Quoted> {
        if quote_id.len() > QUOTE_ID_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(quote_id).ok()?;
        let (signature, text) = bytes.split_at_checked(SIGNATURE)?;
        self.mac.clone().chain_update(text).verify_slice(signature).ok()?;
        serde_json::from_slice(text).ok()
    }
}

/// Every part has its length before it, so that no two places look the same.
fn digest(place: &Destination) -> String {
    let mut digest = Sha256::new();
    for part in [&place.country, &place.region, &place.postal_code] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rpc::money::Currency;

    use super::*;
    use crate::order::{Amounts, ShippingOption};

    fn quote(etag: &str) -> Quote {
        let destination = Destination { country: "DE".into(), region: "x".into(), postal_code: "1".into() };
        let shipping = ShippingOption { id: "a".repeat(32), name: "A".into(), price: 1, days_min: 1, days_max: 2 };
        Quote {
            cart: Capability::parse(&"a".repeat(32)).unwrap(),
            cart_etag: etag.into(),
            currency: Currency::parse("EUR").unwrap(),
            lines: Vec::new(),
            amounts: Amounts { subtotal: 1, shipping: 1, tax: 0, tax_included: false, total: 2 },
            options: vec![shipping.clone()],
            shipping,
            destination,
            expire_us: i64::MAX,
        }
    }

    #[test]
    fn a_quote_is_known_again_by_whoever_has_the_secret_and_says_where_to() {
        let (ours, theirs) = (Signer::new("ours").unwrap(), Signer::new("theirs").unwrap());
        let quote = quote(&"\"".repeat(64));
        let id = ours.sign(&quote);
        assert!(id.len() <= QUOTE_ID_MAX, "{}", id.len());
        let quoted = ours.read(&id).unwrap();
        assert_eq!((&quoted.cart, &quoted.cart_etag), (&quote.cart, &quote.cart_etag));
        assert!(quoted.is_to(&quote.destination));
        let moved = Destination { region: "x1".into(), postal_code: String::new(), ..quote.destination };
        assert!(!quoted.is_to(&moved));
        assert_eq!(theirs.read(&id), None);
    }

    proptest! {
        #[test]
        fn a_changed_quote_is_no_quote(at in 0..200_usize, flip in 1..=255_u8) {
            let signer = Signer::new("ours").unwrap();
            let mut bytes = URL_SAFE_NO_PAD.decode(signer.sign(&quote("1"))).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            prop_assert_eq!(signer.read(&URL_SAFE_NO_PAD.encode(bytes)), None);
        }

        #[test]
        fn no_text_panics(text in ".{0,1100}") {
            prop_assert_eq!(Signer::new("ours").unwrap().read(&text), None);
        }
    }
}
