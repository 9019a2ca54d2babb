//! What goes wrong, on purpose: every call that moves money passes here on its way to the ledger.
//!
//! The plan is in the database, so that all replicas keep to it; chance is each replica's own, and begins again with every
//! plan. Whatever goes wrong, the ledger is right: an answer is lost after its unit is durable, and what is down did nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rpc::money::Money;
use rpc::{Capability, now_us};
use tokio::time::sleep;

use crate::card::Trace;
use crate::charge::{Charge, Content, Operation};
use crate::error::{Error, REFUSED_BY_FAULT};
use crate::fault::{Call, Fault, Plan};
use crate::store::{Entry, Ledger, Said};

/// The ledger behind what goes wrong. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    ledger: Ledger,
    chance: Arc<Mutex<Chance>>,
}

/// Where chance is in a plan.
#[derive(Debug)]
struct Chance {
    revision: i64,
    random: fastrand::Rng,
}

impl Trouble {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self { ledger, chance: Arc::new(Mutex::new(Chance { revision: -1, random: fastrand::Rng::with_seed(0) })) }
    }

    /// Authorizes a card, whose own `fate` holds where no rule does.
    pub(crate) async fn authorize(
        &self,
        payment: Capability,
        amount: Money,
        card: Trace,
        fate: Fault,
    ) -> Result<Charge, Error> {
        let said = self.up().await?;
        let call = Call {
            operation: Operation::Authorize,
            last_four: Some(&card.last_four),
            amount: Some((amount.currency().code(), amount.minor())),
        };
        let planned = self.decide(&said, call);
        // A charge that there is already is answered as it is: what the issuer has decided stays.
        let fault = if planned == Fault::None { fate } else { planned };
        let declined = match fault {
            Fault::Decline(reason) => Some(reason),
            Fault::None | Fault::Refuse | Fault::Slow(_) | Fault::LoseAnswer(_) | Fault::Down => None,
        };
        let content = Content { amount, card };
        around(fault, async { self.ledger.authorize(payment, content, declined, now_us()).await }).await
    }

    /// Captures a charge.
    pub(crate) async fn capture(&self, payment: Capability) -> Result<Charge, Error> {
        let fault = self.about(&payment, Operation::Capture, None).await?;
        if fault == Fault::Refuse {
            return Err(Error::Refused);
        }
        around(fault, async { self.ledger.capture(payment, now_us()).await }).await
    }

    /// Voids a charge.
    pub(crate) async fn void(&self, payment: Capability) -> Result<Charge, Error> {
        let fault = self.about(&payment, Operation::Void, None).await?;
        around(fault, async { self.ledger.void(payment, now_us()).await }).await
    }

    /// Refunds a charge.
    pub(crate) async fn refund(&self, payment: Capability, id: String, amount: Money) -> Result<Charge, Error> {
        let amount_of_call = (amount.currency().code(), amount.minor());
        let fault = self.about(&payment, Operation::Refund, Some(amount_of_call)).await?;
        let refused = (fault == Fault::Refuse).then_some(REFUSED_BY_FAULT);
        around(fault, async { self.ledger.refund(payment, id, amount, refused, now_us()).await }).await
    }

    /// A charge as it is.
    pub(crate) async fn find(&self, payment: &Capability) -> Result<Charge, Error> {
        self.up().await?;
        self.ledger.find(payment).await?.ok_or(Error::NotFound)
    }

    /// The lines of the ledger after this one.
    pub(crate) async fn entries(&self, after: i64, limit: u32) -> Result<Vec<Entry>, Error> {
        self.ledger.entries(after, limit).await
    }

    /// What is to go wrong.
    pub(crate) async fn said(&self) -> Result<Plan, Error> {
        Ok(self.ledger.said().await?.plan)
    }

    /// Says what is to go wrong.
    pub(crate) async fn say(&self, plan: Plan) -> Result<(), Error> {
        self.ledger.say(plan).await
    }

    /// The plan, unless everything is down.
    async fn up(&self) -> Result<Said, Error> {
        let said = self.ledger.said().await?;
        if said.plan.is_down(now_us()) { Err(Error::Down) } else { Ok(said) }
    }

    /// What goes wrong with a call about a charge; of the whole of it, where no amount is given.
    async fn about(
        &self,
        payment: &Capability,
        operation: Operation,
        amount: Option<(&str, i64)>,
    ) -> Result<Fault, Error> {
        let said = self.up().await?;
        // Only rules look at the charge.
        if said.plan.rules.is_empty() {
            return Ok(Fault::None);
        }
        let known = self.ledger.find(payment).await?;
        let whole = known.as_ref().and_then(|charge| charge.content.as_ref()).map(|content| content.amount);
        let whole = whole.as_ref().map(|amount| (amount.currency().code(), amount.minor()));
        let call = Call { operation, last_four: last_four(known.as_ref()), amount: amount.or(whole) };
        Ok(self.decide(&said, call))
    }

    fn decide(&self, said: &Said, call: Call<'_>) -> Fault {
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        if chance.revision != said.revision {
            let seed = said.plan.seed.cast_unsigned();
            *chance = Chance { revision: said.revision, random: fastrand::Rng::with_seed(seed) };
        }
        said.plan.decide(call, || chance.random.f64())
    }
}

fn last_four(charge: Option<&Charge>) -> Option<&str> {
    charge?.content.as_ref().map(|content| content.card.last_four.as_str())
}

/// The work with what goes wrong before and after it.
async fn around(fault: Fault, work: impl Future<Output = Result<Charge, Error>>) -> Result<Charge, Error> {
    match fault {
        Fault::None | Fault::Decline(_) | Fault::Refuse => work.await,
        Fault::Down => Err(Error::Down),
        Fault::Slow(ms) => {
            sleep(Duration::from_millis(ms)).await;
            work.await
        }
        Fault::LoseAnswer(ms) => {
            work.await?;
            sleep(Duration::from_millis(ms)).await;
            Err(Error::Lost)
        }
    }
}
