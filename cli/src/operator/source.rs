//! A token as it was given, and one in a file that is written anew from time to time.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, bail};
use http::HeaderValue;
use mesh::{client::Bearer, token};

/// The file is read again this long before its token expires, which is after the shop has written another one.
const RENEW_S: u64 = 60;

/// A token in an option. It is not printed.
#[derive(Clone)]
pub(super) struct Token(String);

impl Token {
    pub(super) fn bearer(&self) -> anyhow::Result<Bearer> {
        let (value, _) = parse(&self.0)?;
        Ok(Bearer::from_fn(move || Some(value.clone())))
    }
}

impl FromStr for Token {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// A token in a file, and when it expires.
pub(super) struct TokenFile {
    path: PathBuf,
    read: Mutex<(HeaderValue, u64)>,
}

impl TokenFile {
    /// # Errors
    /// If there is none, or none that is valid now.
    pub(super) fn open(path: PathBuf) -> anyhow::Result<Self> {
        let read = Mutex::new(read(&path)?);
        Ok(Self { path, read })
    }

    pub(super) fn bearer(self) -> Bearer {
        Bearer::from_fn(move || Some(self.current()))
    }

    /// The newest token. One that cannot be read leaves the last one, which the shop then says is no longer valid.
    fn current(&self) -> HeaderValue {
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if token::now_s() + RENEW_S >= known.1
            && let Ok(newer) = read(&self.path)
        {
            *known = newer;
        }
        known.0.clone()
    }
}

fn read(path: &Path) -> anyhow::Result<(HeaderValue, u64)> {
    let shown = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "there is no {shown}: say with --data where the running shop keeps its data, or give a token in SOUK_TOKEN"
        ),
        Err(error) => return Err(error).with_context(|| format!("read {shown}")),
    };
    parse(text.trim()).with_context(|| format!("use the token in {shown}, which the shop writes anew while it runs"))
}

fn parse(text: &str) -> anyhow::Result<(HeaderValue, u64)> {
    let expires_s = token::expires_s(text).context("it is no token: `souk token` makes one")?;
    let now_s = token::now_s();
    if expires_s <= now_s {
        bail!("it expired {} s ago: `souk token` makes another", now_s - expires_s);
    }
    let value = Bearer::value(text).context("it is no token: `souk token` makes one")?;
    Ok((value, expires_s))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mesh::token::SigningKey;

    use super::*;

    fn token(now_s: u64) -> String {
        let grant = rpc::access::operator("ada", "souk", Duration::from_secs(3_600));
        SigningKey::generate().unwrap().sign_at(&grant, now_s).unwrap()
    }

    #[test]
    fn a_token_that_expired_and_what_is_none_are_refused_with_their_file_and_without_what_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.token");
        for (text, reason) in [(token(token::now_s() - 3_610), "it expired 1"), ("secret".into(), "it is no token")] {
            fs::write(&path, &text).unwrap();
            let refused = format!("{:#}", TokenFile::open(path.clone()).err().unwrap());
            assert!(refused.contains(reason) && refused.contains("operator.token"), "{refused}");
            assert!(!refused.contains(&text), "{refused}");
            assert!(!format!("{:?}", text.parse::<Token>().unwrap()).contains(&text));
        }
    }

    #[test]
    fn a_token_that_expires_is_followed_by_the_one_that_the_shop_has_written_since() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.token");
        fs::write(&path, token(token::now_s() - 3_600 + RENEW_S / 2)).unwrap();
        let file = TokenFile::open(path.clone()).unwrap();
        let first = file.current();
        let newer = token(token::now_s());
        fs::write(&path, &newer).unwrap();
        assert_ne!(file.current(), first);
        assert_eq!(file.current(), format!("Bearer {newer}"));
        fs::write(&path, "damaged").unwrap();
        assert_eq!(file.current(), format!("Bearer {newer}"));
    }
}
