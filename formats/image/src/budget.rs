//! The one counter that bounds memory and time while an image is read.

use crate::InspectError;

/// What is left of [`Limits::max_metadata`](crate::Limits::max_metadata).
///
/// - Everything that makes the reader work or remember is paid for here, before the work is done where that is possible.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    left: u64,
}

impl Budget {
    pub(crate) const fn new(limit: u64) -> Self {
        Self { limit, left: limit }
    }

    /// Fails when less than `bytes` is left; then nothing is left.
    pub(crate) fn spend(&mut self, bytes: u64) -> Result<(), InspectError> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(InspectError::TooMuchMetadata { limit: self.limit })
            }
        }
    }

    /// A new operation begins.
    pub(crate) fn refill(&mut self) {
        self.left = self.limit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exhausted_budget_stays_exhausted_until_it_is_refilled() {
        let mut budget = Budget::new(10);
        budget.spend(4).unwrap();
        assert!(matches!(
            budget.spend(7),
            Err(InspectError::TooMuchMetadata { limit: 10 })
        ));
        assert!(budget.spend(1).is_err());
        budget.refill();
        budget.spend(10).unwrap();
    }
}
