//! The token that a caller shows, on channels where it says so and on no others.

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderValue, header};

/// Where the calls of a channel take their token from. Cloning shares it.
///
/// It is asked at each call, since tokens expire while channels do not.
#[derive(Clone)]
pub struct Bearer(Arc<dyn Fn() -> Option<HeaderValue> + Send + Sync>);

impl Bearer {
    /// This token, for ever; `None` where it is nothing that a header could hold.
    #[must_use]
    pub fn of(token: &str) -> Option<Self> {
        let value = Self::value(token)?;
        Some(Self(Arc::new(move || Some(value.clone()))))
    }

    /// Whatever this gives at each call; without one the call goes out without.
    #[must_use]
    pub fn from_fn(current: impl Fn() -> Option<HeaderValue> + Send + Sync + 'static) -> Self {
        Self(Arc::new(current))
    }

    /// The header of a token, which no log shows.
    #[must_use]
    pub fn value(token: &str) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Shows the token, unless the call has one of its own.
    pub(super) fn show(&self, headers: &mut HeaderMap) {
        if !headers.contains_key(header::AUTHORIZATION)
            && let Some(value) = (self.0)()
        {
            headers.insert(header::AUTHORIZATION, value);
        }
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer")
    }
}
