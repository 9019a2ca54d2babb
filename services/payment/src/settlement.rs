//! Between payments and their processor: writes, tells, and asks before it tells again.
//!
//! Every step is written before the processor is told, and settled by what it answers. Where no answer comes the payment stays
//! in doubt, and whoever comes next, the caller again or the reconciler, first asks the processor what it did. A future that
//! is dropped anywhere in here leaves a payment in doubt and nothing worse.

mod resume;

use rpc::Capability;
use rpc::money::Money;

use crate::card::{Code, Number};
use crate::error::Error;
use crate::payment::{Content, Payment, RefundState, State};
use crate::processor::{Answer, Authorization, Failure, Processor, Seen};
use crate::seal::{Keys, Kind};
use crate::store::{Begun, News, Payments, Sealed, Wish};

/// The most characters that are kept of why a processor refuses.
const WHY_MAX: usize = 100;
/// What stands between a number and the name on its card, sealed together. Neither has one.
const SEPARATOR: char = '\n';

/// Payments and the processor that is told of them. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Settlement<P> {
    payments: Payments,
    processor: P,
    keys: Keys,
}

/// What the processor is told.
#[derive(Clone, Debug)]
enum Step {
    /// With what is sealed of the card, where that was read already.
    Authorize(Option<Sealed>),
    Capture,
    Void,
    Refund(String),
}

/// Who tells it.
#[derive(Clone, Copy, Debug)]
enum Teller {
    /// Nobody told it before, so a proof that nothing was done undoes the step. It stood so before; none where there was none.
    First(Option<State>),
    /// Somebody told it before, and nobody knows what came of it.
    Again,
}

impl Step {
    /// Whether the processor has yet to do it.
    fn is_open(&self, payment: &Payment) -> bool {
        match self {
            Self::Authorize(_) => payment.state == State::Authorizing,
            Self::Capture => payment.state == State::Capturing,
            Self::Void => payment.state == State::Voiding,
            Self::Refund(id) => payment.refund(id).is_some_and(|refund| refund.state == RefundState::Pending),
        }
    }
}

impl<P: Processor> Settlement<P> {
    pub(crate) fn new(payments: Payments, processor: P, keys: Keys) -> Self {
        Self { payments, processor, keys }
    }

    /// Sets an amount aside, or gives the payment as it is.
    pub(crate) async fn authorize(&self, id: Capability, token: Capability, amount: Money) -> Result<Payment, Error> {
        let payment = match self.payments.authorize(id, token, amount).await? {
            Begun::Already(payment) => payment,
            Begun::New { payment, before, sealed } => {
                self.tell(payment, Step::Authorize(sealed), Teller::First(before)).await?
            }
            Begun::InDoubt(payment) => self.resume(payment, &Step::Authorize(None)).await?,
        };
        // Somebody voided it meanwhile, or it was given up.
        match payment.state {
            State::Voiding | State::Voided => Err(Error::Closed),
            _ => Ok(payment),
        }
    }

    /// Takes what was set aside.
    pub(crate) async fn capture(&self, id: Capability) -> Result<Payment, Error> {
        let payment = match self.payments.begin(id, Wish::Capture).await? {
            Begun::Already(payment) => payment,
            Begun::New { payment, before, .. } => self.tell(payment, Step::Capture, Teller::First(before)).await?,
            Begun::InDoubt(payment) => self.resume(payment, &Step::Capture).await?,
        };
        if payment.state == State::Captured { Ok(payment) } else { Err(Error::NotAuthorized) }
    }

    /// Gives back what was set aside, whether it ever was or not.
    pub(crate) async fn void(&self, id: Capability) -> Result<Payment, Error> {
        if let Some(known) = self.payments.find(&id).await?
            && matches!(known.state, State::Authorizing | State::Capturing)
        {
            // What it turns out to be decides whether there is anything to void.
            self.ask(&known).await?;
        }
        let payment = match self.payments.begin(id, Wish::Void).await? {
            Begun::Already(payment) => payment,
            Begun::New { payment, before, .. } => self.tell(payment, Step::Void, Teller::First(before)).await?,
            Begun::InDoubt(payment) => self.resume(payment, &Step::Void).await?,
        };
        if payment.state == State::Captured { Err(Error::Captured) } else { Ok(payment) }
    }

    /// Gives back what was taken, or a part of it.
    pub(crate) async fn refund(&self, id: Capability, refund_id: String, amount: Money) -> Result<Payment, Error> {
        let step = Step::Refund(refund_id.clone());
        let payment = match self.payments.refund(id, refund_id.clone(), amount).await? {
            Begun::Already(payment) => payment,
            Begun::New { payment, before, .. } => self.tell(payment, step, Teller::First(before)).await?,
            Begun::InDoubt(payment) => self.resume(payment, &step).await?,
        };
        match payment.refund(&refund_id).map(|refund| &refund.state) {
            Some(RefundState::Failed(why)) => Err(Error::RefundRefused(why.clone())),
            Some(RefundState::Done | RefundState::Pending) | None => Ok(payment),
        }
    }

    /// Tells the processor, and settles what it answers. The payment that it gives has the step behind it.
    async fn tell(&self, payment: Payment, step: Step, teller: Teller) -> Result<Payment, Error> {
        let answer = match &step {
            Step::Authorize(sealed) => match (self.tell_of_card(&payment, sealed.clone()).await, teller) {
                (Ok(answer), _) => answer,
                (Err(error), Teller::First(before)) => {
                    self.undo(&payment, step, before).await?;
                    return Err(error);
                }
                (Err(error), Teller::Again) => return Err(error),
            },
            Step::Capture => self.processor.capture(&payment.id).await,
            Step::Void => self.processor.void(&payment.id).await,
            Step::Refund(id) => match payment.refund(id) {
                Some(refund) => self.processor.refund(&payment.id, refund).await,
                None => return Ok(payment),
            },
        };
        match (answer, teller) {
            (Ok(seen), _) => self.learn(&payment, &step, seen).await,
            (Err(failure @ Failure::NotDone(_)), Teller::First(before)) => {
                self.undo(&payment, step, before).await?;
                Err(Error::ProcessorUnavailable(failure))
            }
            (Err(failure @ Failure::NotDone(_)), Teller::Again) => Err(Error::OutcomeUnknown(Some(failure))),
            (Err(failure @ Failure::Unknown(_)), _) => {
                // Its answer may be lost, and the next one not: most doubts end here.
                let known = self.ask(&payment).await.map_err(|_| Error::OutcomeUnknown(Some(failure.clone())))?;
                if step.is_open(&known) { Err(Error::OutcomeUnknown(Some(failure))) } else { Ok(known) }
            }
            (Err(Failure::Refused(why)), _) => self.refused(&payment, step, &why).await,
        }
    }

    /// Asks the processor what it did, and writes it. The payment may be in doubt as before.
    async fn ask(&self, payment: &Payment) -> Result<Payment, Error> {
        let seen = match self.processor.look_up(&payment.id).await {
            Ok(Some(seen)) => seen,
            Ok(None) => return Ok(payment.clone()),
            Err(failure) => return Err(Error::OutcomeUnknown(Some(failure))),
        };
        self.settled(payment, News::Seen(seen)).await
    }

    async fn learn(&self, payment: &Payment, step: &Step, seen: Seen) -> Result<Payment, Error> {
        let known = self.settled(payment, News::Seen(seen)).await?;
        if step.is_open(&known) {
            return Err(Error::OutcomeUnknown(None));
        }
        Ok(known)
    }

    /// What the processor refuses it may have done already, or somebody else may have decided. If not, that is the end of it.
    async fn refused(&self, payment: &Payment, step: Step, why: &str) -> Result<Payment, Error> {
        let known = self.ask(payment).await?;
        if !step.is_open(&known) {
            return Ok(known);
        }
        let (attempt, why) = (payment.attempt, why.chars().take(WHY_MAX).collect::<String>());
        match step {
            Step::Authorize(_) => self.settled(payment, News::AuthorizationRefused { attempt }).await,
            Step::Capture => {
                self.settled(payment, News::CaptureRefused { attempt }).await?;
                Err(Error::CaptureRefused(why))
            }
            // It closes whatever it is told to close, so this one is broken.
            Step::Void => Err(Error::OutcomeUnknown(Some(Failure::Refused(why)))),
            Step::Refund(refund_id) => self.settled(payment, News::RefundRefused { refund_id, why }).await,
        }
    }

    async fn undo(&self, payment: &Payment, step: Step, before: Option<State>) -> Result<(), Error> {
        let news = match step {
            Step::Authorize(_) | Step::Capture | Step::Void => News::Undone { attempt: payment.attempt, before },
            Step::Refund(refund_id) => News::RefundUndone { refund_id },
        };
        self.payments.settle(payment.id.clone(), news).await.map(drop)
    }

    async fn settled(&self, payment: &Payment, news: News) -> Result<Payment, Error> {
        let settled = self.payments.settle(payment.id.clone(), news).await?;
        // Gone is only what another proved to have never been, so that nobody has to know of it.
        settled.ok_or(Error::OutcomeUnknown(None))
    }

    /// The processor's answer to an authorization, for which the card is opened.
    async fn tell_of_card(&self, payment: &Payment, sealed: Option<Sealed>) -> Result<Answer, Error> {
        let Some(content) = &payment.content else { return Err(Error::TokenInvalid) };
        let sealed = match sealed {
            Some(sealed) => Some(sealed),
            None => self.payments.sealed(&content.token).await?,
        };
        let Some((number, holder, code)) = self.open(content, sealed)? else { return Err(Error::TokenInvalid) };
        let order = Authorization {
            payment: &payment.id,
            amount: content.amount,
            number: &number,
            code: &code,
            holder: &holder,
            expiry: content.card.expiry,
        };
        Ok(self.processor.authorize(order).await)
    }

    /// A card's number, the name on it and its code; `None` where the code is erased.
    fn open(
        &self,
        content: &Content,
        sealed: Option<Sealed>,
    ) -> Result<Option<(Number, zeroize::Zeroizing<String>, Code)>, Error> {
        let token = content.token.as_str();
        let Some(Sealed { number, code: Some(code) }) = sealed else { return Ok(None) };
        let (text, code) = (self.keys.open(Kind::Number, token, &number)?, self.keys.open(Kind::Code, token, &code)?);
        let (number, holder) = text.split_once(SEPARATOR).unwrap_or((&text, ""));
        let damaged = crate::seal::OpenError::Damaged;
        let number = Number::parse(number).map_err(|_| damaged)?;
        let code = Code::parse(code, number.brand().code_digits()).ok_or(damaged)?;
        Ok(Some((number, holder.to_owned().into(), code)))
    }
}

/// What is sealed as a card's number.
pub(crate) fn number_text(card: &crate::card::Card) -> zeroize::Zeroizing<String> {
    let mut text = String::with_capacity(card.number.expose().len() + 1 + card.holder.len());
    text.push_str(card.number.expose());
    text.push(SEPARATOR);
    text.push_str(&card.holder);
    text.into()
}
