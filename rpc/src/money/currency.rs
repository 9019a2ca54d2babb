//! The currencies of ISO 4217 (list one) that have a minor unit, which leaves out metals, test codes and baskets.

use std::fmt;

/// An active ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency {
    code: &'static str,
    exponent: u32,
}

impl Currency {
    /// All of them, ascending. A code that is withdrawn may leave only once nothing is priced in it.
    #[rustfmt::skip]
    pub const ALL: [Self; 165] = [
    iso("AED", 2), iso("AFN", 2), iso("ALL", 2), iso("AMD", 2), iso("AOA", 2), iso("ARS", 2), iso("AUD", 2),
    iso("AWG", 2), iso("AZN", 2), iso("BAM", 2), iso("BBD", 2), iso("BDT", 2), iso("BHD", 3), iso("BIF", 0),
    iso("BMD", 2), iso("BND", 2), iso("BOB", 2), iso("BOV", 2), iso("BRL", 2), iso("BSD", 2), iso("BTN", 2),
    iso("BWP", 2), iso("BYN", 2), iso("BZD", 2), iso("CAD", 2), iso("CDF", 2), iso("CHE", 2), iso("CHF", 2),
    iso("CHW", 2), iso("CLF", 4), iso("CLP", 0), iso("CNY", 2), iso("COP", 2), iso("COU", 2), iso("CRC", 2),
    iso("CUP", 2), iso("CVE", 2), iso("CZK", 2), iso("DJF", 0), iso("DKK", 2), iso("DOP", 2), iso("DZD", 2),
    iso("EGP", 2), iso("ERN", 2), iso("ETB", 2), iso("EUR", 2), iso("FJD", 2), iso("FKP", 2), iso("GBP", 2),
    iso("GEL", 2), iso("GHS", 2), iso("GIP", 2), iso("GMD", 2), iso("GNF", 0), iso("GTQ", 2), iso("GYD", 2),
    iso("HKD", 2), iso("HNL", 2), iso("HTG", 2), iso("HUF", 2), iso("IDR", 2), iso("ILS", 2), iso("INR", 2),
    iso("IQD", 3), iso("IRR", 2), iso("ISK", 0), iso("JMD", 2), iso("JOD", 3), iso("JPY", 0), iso("KES", 2),
    iso("KGS", 2), iso("KHR", 2), iso("KMF", 0), iso("KPW", 2), iso("KRW", 0), iso("KWD", 3), iso("KYD", 2),
    iso("KZT", 2), iso("LAK", 2), iso("LBP", 2), iso("LKR", 2), iso("LRD", 2), iso("LSL", 2), iso("LYD", 3),
    iso("MAD", 2), iso("MDL", 2), iso("MGA", 2), iso("MKD", 2), iso("MMK", 2), iso("MNT", 2), iso("MOP", 2),
    iso("MRU", 2), iso("MUR", 2), iso("MVR", 2), iso("MWK", 2), iso("MXN", 2), iso("MXV", 2), iso("MYR", 2),
    iso("MZN", 2), iso("NAD", 2), iso("NGN", 2), iso("NIO", 2), iso("NOK", 2), iso("NPR", 2), iso("NZD", 2),
    iso("OMR", 3), iso("PAB", 2), iso("PEN", 2), iso("PGK", 2), iso("PHP", 2), iso("PKR", 2), iso("PLN", 2),
    iso("PYG", 0), iso("QAR", 2), iso("RON", 2), iso("RSD", 2), iso("RUB", 2), iso("RWF", 0), iso("SAR", 2),
    iso("SBD", 2), iso("SCR", 2), iso("SDG", 2), iso("SEK", 2), iso("SGD", 2), iso("SHP", 2), iso("SLE", 2),
    iso("SOS", 2), iso("SRD", 2), iso("SSP", 2), iso("STN", 2), iso("SVC", 2), iso("SYP", 2), iso("SZL", 2),
    iso("THB", 2), iso("TJS", 2), iso("TMT", 2), iso("TND", 3), iso("TOP", 2), iso("TRY", 2), iso("TTD", 2),
    iso("TWD", 2), iso("TZS", 2), iso("UAH", 2), iso("UGX", 0), iso("USD", 2), iso("USN", 2), iso("UYI", 0),
    iso("UYU", 2), iso("UYW", 4), iso("UZS", 2), iso("VED", 2), iso("VES", 2), iso("VND", 0), iso("VUV", 0),
    iso("WST", 2), iso("XAD", 2), iso("XAF", 0), iso("XCD", 2), iso("XCG", 2), iso("XOF", 0), iso("XPF", 0),
    iso("YER", 2), iso("ZAR", 2), iso("ZMW", 2), iso("ZWG", 2),
    ];

    /// Finds a currency by its code in upper case.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let index = Self::ALL.binary_search_by(|currency| currency.code.cmp(code)).ok()?;
        Some(Self::ALL[index])
    }

    /// Three capitals.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.code
    }

    /// How many digits its minor unit is after the point: 0 for JPY, 2 for EUR, 3 for KWD.
    #[must_use]
    pub const fn exponent(self) -> u32 {
        self.exponent
    }

    /// How many minor units make a unit.
    pub(super) const fn minor_per_unit(self) -> i64 {
        10_i64.pow(self.exponent)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

const fn iso(code: &'static str, exponent: u32) -> Currency {
    Currency { code, exponent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_currency_is_found_by_its_code_and_nothing_else_is() {
        for currency in Currency::ALL {
            assert_eq!(Currency::parse(currency.code), Some(currency));
            assert!(currency.exponent <= 4 && currency.code.len() == 3, "{currency}");
        }
        for code in ["", "eur", "EURO", "XXX", "XAU", "HRK", "E R"] {
            assert_eq!(Currency::parse(code), None, "{code}");
        }
    }
}
