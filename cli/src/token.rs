//! `souk token`: a token that says its bearer is an operator, or the public key that such tokens are verified with.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use mesh::token::SigningKey;

use crate::shop::write_secret;

/// Prints a token, alone on its line.
///
/// The key of a shop that runs on this machine is DATA/operator.key. For one elsewhere, `--key FILE --create` makes a key,
/// `--key FILE --public` prints what its services are told in TOKEN_KEYS, and `--key FILE` signs.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The secret key, Ed25519 in PEM, as `openssl genpkey -algorithm ed25519` makes it too
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The data directory whose operator.key signs where no --key is named
    #[arg(long, env = "SOUK_DATA", value_name = "DIR", default_value = "souk-data")]
    data: PathBuf,
    /// Make the key of --key first, for its user alone; one that is there is left as it is, and refused
    #[arg(long, requires = "key")]
    create: bool,
    /// Print the public key, for TOKEN_KEYS, instead of a token
    #[arg(long, conflicts_with_all = ["lifetime", "subject", "out"])]
    public: bool,
    /// How long the token is valid (90s, 30m, 8h), at most 24h
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_lifetime)]
    lifetime: Duration,
    /// Who it is, as the services' logs say it
    #[arg(long, value_name = "NAME", default_value = "operator")]
    subject: String,
    /// The trust domain of the services that take it
    #[arg(long, env = "TRUST_DOMAIN", value_name = "NAME", default_value = "souk")]
    trust_domain: String,
    /// Write the token to this file, for its user alone, instead of printing it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Prints the token or the public key.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let path = options.key.clone().unwrap_or_else(|| options.data.join("operator.key"));
    let key = if options.create { create(&path)? } else { read(&path)? };
    if options.public {
        return print(&key.public().to_string());
    }
    let grant = rpc::access::operator(&options.subject, &options.trust_domain, options.lifetime);
    let token = key.sign(&grant)?;
    match &options.out {
        Some(out) => write_secret(out, &token).with_context(|| format!("--out: write {}", out.display()))?,
        None => return print(&token),
    }
    Ok(ExitCode::SUCCESS)
}

fn print(line: &str) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout(), "{line}").context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn create(path: &Path) -> anyhow::Result<SigningKey> {
    if fs::symlink_metadata(path).is_ok() {
        bail!("--create: {} is there already; leave --create out to use it", path.display());
    }
    let key = SigningKey::generate()?;
    write_secret(path, key.to_pem().trim()).with_context(|| format!("--key: write {}", path.display()))?;
    Ok(key)
}

fn read(path: &Path) -> anyhow::Result<SigningKey> {
    let shown = path.display();
    let pem = fs::read_to_string(path);
    let pem = pem.with_context(|| format!("read the key {shown}; say --data or --key, or make one with --create"))?;
    SigningKey::from_pem(&pem).with_context(|| format!("read the key {shown}"))
}

/// As other durations, and hours.
fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let hours = text.strip_suffix('h').and_then(|hours| hours.trim().parse::<u32>().ok());
    hours.map_or_else(|| mesh::process::parse_duration(text), |hours| Ok(Duration::from_secs(u64::from(hours) * 3_600)))
}
