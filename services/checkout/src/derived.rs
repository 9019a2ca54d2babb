//! Request ids that belong to an order and one purpose.

use rpc::Capability;
use sha2::{Digest, Sha256};

/// A UUID that belongs to this order and this purpose: the same at every try, which makes the try safe, and of no use to guess
/// the order's id from.
pub(crate) fn request_id(order: &Capability, purpose: &str) -> String {
    let digest = Sha256::new().chain_update(purpose).chain_update([0]).chain_update(order.as_str()).finalize();
    let mut bits = [0; 16];
    bits.copy_from_slice(&digest[..16]);
    let hex = format!("{:032x}", u128::from_be_bytes(bits));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_derived_is_the_same_each_time_and_differs_by_order_and_purpose() {
        let (one, other) = (Capability::random().unwrap(), Capability::random().unwrap());
        assert_eq!(request_id(&one, "cart"), request_id(&one, "cart"));
        assert_ne!(request_id(&one, "cart"), request_id(&one, "return"));
        assert_ne!(request_id(&one, "cart"), request_id(&other, "cart"));
        assert!(!request_id(&one, "cart").replace('-', "").contains(&one.as_str()[..8]));
        assert_eq!(request_id(&one, "cart").split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    }
}
