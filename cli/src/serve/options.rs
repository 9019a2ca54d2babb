//! What `souk serve` can be told.

use mesh::process;

use crate::shop;

/// The options of `souk serve`.
#[derive(Clone, Debug, clap::Args)]
// Its group would have the name of the process options' own.
#[group(skip)]
pub(crate) struct Options {
    /// The shop
    #[command(flatten)]
    pub(crate) shop: shop::Options,
    /// What the storefront does
    #[command(flatten)]
    pub(crate) storefront: storefront::Config,
    /// The process
    #[command(flatten)]
    pub(crate) process: process::Options,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn a_key_may_begin_with_a_hyphen() {
        let key = "-IrWgQzJm7QYdpDCdRNyEYDu2XOq3ONd1EytHj3yUZ4";
        let parsed = Command::try_parse_from(["serve", "--token-keys", key]).unwrap();
        assert_eq!(parsed.options.process.token_keys.to_string(), key);
    }
}
