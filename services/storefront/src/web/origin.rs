//! Whether a form comes from a page of this shop.
//!
//! Browsers say so in `Sec-Fetch-Site`, which no page can forge, but only where the page came by https or from this
//! machine. Else `Origin` has to name the host that was asked, and where there is none, `Referer`. Who says nothing at
//! all is refused: every browser says one of them, and programs have the gRPC port.

use http::{HeaderMap, Uri, header};

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Why a form is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Foreign {
    #[error("It was sent from a page of another site.")]
    OtherSite,
    #[error("Your browser does not say which page it was sent from.")]
    Unnamed,
}

/// Holds the sender of a form against the host that was asked.
pub(super) fn check(uri: &Uri, headers: &HeaderMap) -> Result<(), Foreign> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text(SEC_FETCH_SITE) {
        // `none`: the visitor's own doing, such as a page that is loaded again.
        return if matches!(site, "same-origin" | "none") { Ok(()) } else { Err(Foreign::OtherSite) };
    }
    let sender = text(header::ORIGIN.as_str()).or_else(|| text(header::REFERER.as_str())).ok_or(Foreign::Unnamed)?;
    if sender == "null" {
        return Err(Foreign::Unnamed);
    }
    let asked = uri.authority().map(|authority| authority.as_str()).or_else(|| text(header::HOST.as_str()));
    let sender: Option<Uri> = sender.parse().ok();
    let sender = sender.as_ref().and_then(|sender| Some((sender.authority()?.as_str(), sender.scheme_str()?)));
    match (sender, asked) {
        (Some((sender, scheme)), Some(asked)) if is_same(sender, asked, scheme) => Ok(()),
        _ => Err(Foreign::OtherSite),
    }
}

/// Whether two authorities are one, whatever their case; the scheme's own port may be left out. Which scheme the shop
/// is reached by is the business of whatever stands before it.
fn is_same(sender: &str, asked: &str, scheme: &str) -> bool {
    let port = if scheme == "https" { ":443" } else { ":80" };
    let bare = |authority: &str| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
    bare(sender) == bare(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(pairs: &[(&'static str, &str)]) -> Result<(), Foreign> {
        let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        check(&Uri::from_static("/cart/add"), &pairs.collect::<HeaderMap>())
    }

    #[test]
    fn a_form_of_this_shop_is_taken() {
        for headers in [
            &[("sec-fetch-site", "same-origin")][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[("host", "shop.test:8080"), ("origin", "http://shop.test:8080")],
            &[("host", "shop.test"), ("origin", "https://SHOP.test:443")],
            &[("host", "[::1]:8080"), ("referer", "http://[::1]:8080/products/x?y")],
        ] {
            assert_eq!(checked(headers), Ok(()), "{headers:?}");
        }
    }

    #[test]
    fn a_form_of_another_site_is_refused_however_it_hides() {
        for (headers, why) in [
            (
                &[("sec-fetch-site", "cross-site"), ("origin", "http://shop.test"), ("host", "shop.test")][..],
                Foreign::OtherSite,
            ),
            (&[("sec-fetch-site", "same-site")], Foreign::OtherSite),
            (&[("host", "shop.test"), ("origin", "http://evil.test")], Foreign::OtherSite),
            (&[("host", "shop.test"), ("origin", "http://shop.test.evil.test")], Foreign::OtherSite),
            (&[("host", "shop.test"), ("origin", "http://shop.test:81")], Foreign::OtherSite),
            (&[("host", "shop.test"), ("origin", "http://user@shop.test")], Foreign::OtherSite),
            (&[("host", "shop.test"), ("origin", "nonsense")], Foreign::OtherSite),
            (
                &[("host", "shop.test"), ("origin", "http://evil.test"), ("referer", "http://shop.test/")],
                Foreign::OtherSite,
            ),
            (&[("origin", "http://shop.test")], Foreign::OtherSite),
            (&[("host", "shop.test"), ("origin", "null")], Foreign::Unnamed),
            (&[("host", "shop.test")], Foreign::Unnamed),
        ] {
            assert_eq!(checked(headers), Err(why), "{headers:?}");
        }
    }
}
