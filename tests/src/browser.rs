//! A browser without scripts, over a socket: it keeps cookies, sends forms as they stand on a page, and goes where it is sent.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::LIMIT;

/// How often it goes on at most, as browsers do.
const REDIRECTS_MAX: usize = 10;

/// Somebody who looks around in a shop.
#[derive(Debug)]
pub struct Browser {
    address: String,
    /// What the shop has it keep, whatever page it is for.
    pub cookies: BTreeMap<String, String>,
}

/// A page that came.
#[derive(Debug)]
pub struct Page {
    /// Where it is, once all redirects were followed.
    pub path: String,
    /// Its HTTP status.
    pub status: u16,
    /// Its text.
    pub text: String,
}

struct Answer {
    status: u16,
    location: Option<String>,
    text: String,
}

impl Browser {
    /// One that looks at the pages of this address.
    #[must_use]
    pub fn at(address: &str) -> Self {
        Self { address: address.to_owned(), cookies: BTreeMap::new() }
    }

    /// Gets a page.
    ///
    /// # Errors
    /// If there is no answer, or it is no HTTP.
    pub async fn get(&mut self, path: &str) -> Result<Page> {
        self.go("GET", path, "").await
    }

    /// Sends the form of a page with this action, with some of its fields filled in.
    ///
    /// # Errors
    /// If the page has no such form, and as [`Browser::get`].
    pub async fn submit(&mut self, page: &Page, action: &str, filled: &[(&str, &str)]) -> Result<Page> {
        let mut fields = page.form(action)?;
        fields.extend(filled.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let pairs = fields.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
        self.go("POST", action, &pairs.collect::<Vec<_>>().join("&")).await
    }

    async fn go(&mut self, method: &str, path: &str, form: &str) -> Result<Page> {
        let (mut method, mut path, mut form) = (method, path.to_owned(), form);
        for _ in 0..REDIRECTS_MAX {
            let Answer { status, location, text } = self.ask(method, &path, form).await?;
            match location {
                Some(next) => (method, path, form) = ("GET", next, ""),
                None => return Ok(Page { path, status, text }),
            }
        }
        anyhow::bail!("{path} leads on and on")
    }

    /// One request, by HTTP/1.0, whose answer ends with its connection.
    async fn ask(&mut self, method: &str, path: &str, form: &str) -> Result<Answer> {
        let Self { address, cookies } = self;
        let kept = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let request = format!(
            "{method} {path} HTTP/1.0\r\nhost: {address}\r\norigin: http://{address}\r\ncookie: {kept}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        );
        let mut answer = Vec::new();
        timeout(LIMIT, async {
            let mut stream = TcpStream::connect(address.as_str()).await?;
            stream.write_all(request.as_bytes()).await?;
            stream.read_to_end(&mut answer).await
        })
        .await
        .context("the answer took too long")?
        .with_context(|| format!("{method} {path}"))?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, text) = answer.split_once("\r\n\r\n").context("an answer without an end of its headers")?;
        let status =
            head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer without a status")?;
        let headers: Vec<_> = head.lines().skip(1).filter_map(|line| line.split_once(": ")).collect();
        for (_, cookie) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
            let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).context("no cookie")?;
            if value.is_empty() {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
        Ok(Answer { status, location: location.map(|(_, place)| (*place).to_owned()), text: text.to_owned() })
    }
}

impl Page {
    /// What is between two texts, where they first stand so.
    ///
    /// # Errors
    /// If they do not.
    pub fn between(&self, begin: &str, end: &str) -> Result<&str> {
        let found = self.text.split_once(begin).and_then(|(_, rest)| rest.split_once(end));
        found.map(|(found, _)| found).with_context(|| format!("no {begin:?} in {} ({})", self.text, self.status))
    }

    fn form(&self, action: &str) -> Result<BTreeMap<String, String>> {
        let form = self.between(&format!("action=\"{}\"", action.replace('&', "&#38;")), "</form>")?;
        let inputs = form.split("<input ").skip(1).filter_map(|input| input.split('>').next());
        let value = |input: &str, name: &str| {
            let (_, rest) = input.split_once(&format!("{name}=\""))?;
            let value = rest.split('"').next()?;
            Some(value.replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"").replace("&#38;", "&"))
        };
        let fields =
            inputs.map(|input| (value(input, "name").unwrap_or_default(), value(input, "value").unwrap_or_default()));
        let fields: BTreeMap<_, _> = fields.collect();
        ensure!(!fields.is_empty(), "{action}: a form without fields");
        Ok(fields)
    }
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
