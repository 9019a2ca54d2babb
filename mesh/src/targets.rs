//! Options that say where the services are that a process of its own calls: `--<service>-target`, `<SERVICE>_TARGET`.

use std::{fmt, marker::PhantomData, str::FromStr as _};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::{Address, Directory, Target};

/// Whoever calls these services.
pub trait Calls {
    /// The services it calls, as its crate's `CALLS`.
    const CALLS: &'static [Target];
}

/// Where each service is that `C` calls. One that has no port of its own on this machine has to be named.
pub struct Targets<C> {
    places: Vec<(Target, Address)>,
    of: PhantomData<fn() -> C>,
}

impl<C> Targets<C> {
    /// Enters them into the directory.
    pub fn enter(&self, directory: &Directory) {
        for (target, address) in &self.places {
            directory.remote(target.name(), address.clone());
        }
    }
}

/// What is typed after `--`, and the argument's name.
fn flag(target: Target) -> String {
    format!("{target}-target")
}

impl<C: Calls> Args for Targets<C> {
    fn augment_args(command: Command) -> Command {
        C::CALLS.iter().fold(command, |command, target| {
            let flag = flag(*target);
            let variable = flag.to_uppercase().replace('-', "_");
            let help = format!("Where {target} is: HOST:PORT, dns:HOST:PORT, IP:PORT,IP:PORT… or unix:PATH");
            let arg = Arg::new(flag.clone()).long(flag).env(variable).value_name("TARGET").help(help);
            let arg = arg.value_parser(Address::from_str);
            command.arg(match target.local_port() {
                Some(port) => arg.default_value(format!("127.0.0.1:{port}")),
                None => arg.required(true),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<C: Calls> FromArgMatches for Targets<C> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let place = |target: &Target| Some((*target, matches.get_one::<Address>(&flag(*target))?.clone()));
        Ok(Self { places: C::CALLS.iter().filter_map(place).collect(), of: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<C> Clone for Targets<C> {
    fn clone(&self) -> Self {
        Self { places: self.places.clone(), of: PhantomData }
    }
}

impl<C> fmt::Debug for Targets<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.places.iter().map(|(target, address)| (target.name(), address))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Caller;

    impl Calls for Caller {
        const CALLS: &'static [Target] = &[Target::new("near").on_port(50052), Target::new("far")];
    }

    fn parse(arguments: &[&str]) -> Result<Targets<Caller>, clap::Error> {
        let command = Targets::<Caller>::augment_args(Command::new("caller"));
        Targets::from_arg_matches(&command.try_get_matches_from([&["caller"], arguments].concat())?)
    }

    #[test]
    fn each_target_is_an_option_and_one_with_a_port_on_this_machine_need_not_be_named() {
        let targets = parse(&["--far-target", "10.0.0.1:1,10.0.0.2:1"]).unwrap();
        assert_eq!(
            format!("{:?}", targets.places[0].1),
            format!("{:?}", "127.0.0.1:50052".parse::<Address>().unwrap())
        );
        assert_eq!(targets.places[1], (Target::new("far"), "ipv4:10.0.0.1:1,10.0.0.2:1".parse().unwrap()));
        assert!(parse(&[]).unwrap_err().to_string().contains("--far-target"));
    }

    #[test]
    fn a_nonsensical_target_is_refused_by_its_name() {
        let refused = parse(&["--far-target", "nowhere"]).unwrap_err().to_string();
        assert!(refused.contains("--far-target") && refused.contains("dns:HOST:PORT"), "{refused}");
    }

    #[test]
    fn the_help_lists_the_variables() {
        let help = Targets::<Caller>::augment_args(Command::new("caller")).render_help().to_string();
        assert!(help.contains("[env: NEAR_TARGET=]") && help.contains("[default: 127.0.0.1:50052]"), "{help}");
    }
}
