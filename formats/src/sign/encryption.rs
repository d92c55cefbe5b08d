//! Decrypting PKCS#8 (RFC 5958, PBES2 of RFC 8018), with a bound on what deriving the key may cost.
//!
//! The file says how much work and memory its passphrase takes, and `pkcs5` does as it is told, up to terabytes; a cost of
//! zero makes it panic (pkcs5 0.8.1). A damaged file is to end in an error.

use pkcs8::der::{Decode as _, SecretDocument};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, ScryptParams};
use pkcs8::{EncryptedPrivateKeyInfoRef, pkcs5};

use super::KeyFileError;

/// Memory that scrypt touches, in bytes: 128 × cost × block size × parallelization. Four times what
/// [`super::SecretKey::to_pem`] asks for.
const MAX_SCRYPT: u64 = 512 << 20;
/// Iterations of PBKDF2: three times what OWASP recommends for SHA-256.
const MAX_PBKDF2: u32 = 2_000_000;

/// The PKCS#8 document inside an encrypted one.
pub(super) fn decrypt(document: &[u8], passphrase: &[u8]) -> Result<SecretDocument, KeyFileError> {
    let encrypted = EncryptedPrivateKeyInfoRef::from_der(document)
        .map_err(|error| KeyFileError::Encryption(error.to_string()))?;
    check(&encrypted.encryption_algorithm)?;
    encrypted.decrypt(passphrase).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(
            error @ (pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs5::Error::AlgorithmParametersInvalid { .. }),
        ) => KeyFileError::Encryption(error.to_string()),
        _ => KeyFileError::WrongPassphrase,
    })
}

fn check(algorithm: &EncryptionScheme) -> Result<(), KeyFileError> {
    let refused = |reason: String| Err(KeyFileError::Encryption(reason));
    match algorithm.pbes2().map(|parameters| &parameters.kdf) {
        None => refused("it is not PBES2".to_owned()),
        Some(Kdf::Pbkdf2(parameters)) if parameters.iteration_count > MAX_PBKDF2 => {
            refused(format!(
                "{} iterations of PBKDF2, {MAX_PBKDF2} is the most",
                parameters.iteration_count
            ))
        }
        Some(Kdf::Scrypt(parameters)) if !parameters.cost_parameter.is_power_of_two() => {
            refused(format!(
                "a scrypt cost of {}, a power of two is needed",
                parameters.cost_parameter
            ))
        }
        Some(Kdf::Scrypt(parameters)) if memory(parameters) > MAX_SCRYPT => refused(format!(
            "scrypt over {} bytes, {MAX_SCRYPT} is the most",
            memory(parameters)
        )),
        Some(Kdf::Pbkdf2(_) | Kdf::Scrypt(_)) => Ok(()),
        Some(_) => refused("its key derivation is neither PBKDF2 nor scrypt".to_owned()),
    }
}

fn memory(parameters: &ScryptParams) -> u64 {
    [
        parameters.cost_parameter,
        u64::from(parameters.block_size),
        u64::from(parameters.parallelization),
    ]
    .into_iter()
    .fold(128, u64::saturating_mul)
}

#[cfg(test)]
mod tests {
    use pkcs8::pkcs5::pbes2::{Parameters, Pbkdf2Params};
    use pkcs8::pkcs5::scrypt::Params;

    use super::*;

    fn scrypt(log_cost: u8, parallelization: u32) -> EncryptionScheme {
        let params = Params::new(log_cost, 8, parallelization).unwrap();
        Parameters::generate_scrypt_aes256cbc(params, &[1; 16], [2; 16])
            .unwrap()
            .into()
    }

    fn message(algorithm: &EncryptionScheme) -> String {
        check(algorithm).unwrap_err().to_string()
    }

    #[test]
    fn what_would_take_all_memory_is_refused() {
        check(&scrypt(17, 1)).unwrap();
        check(&scrypt(19, 1)).unwrap();
        assert!(
            message(&scrypt(20, 1)).contains("scrypt over 1073741824 bytes, 536870912 is the most")
        );
        assert!(message(&scrypt(19, 2)).contains("1073741824 bytes"));
    }

    #[test]
    fn a_cost_that_is_no_power_of_two_is_refused() {
        for cost in [0, 3, u64::MAX] {
            let mut algorithm = scrypt(14, 1);
            let EncryptionScheme::Pbes2(parameters) = &mut algorithm else {
                panic!("{algorithm:?}");
            };
            let Kdf::Scrypt(scrypt) = &mut parameters.kdf else {
                panic!("{parameters:?}");
            };
            scrypt.cost_parameter = cost;
            assert!(message(&algorithm).contains(&format!("a scrypt cost of {cost}")));
        }
    }

    #[test]
    fn what_would_take_minutes_is_refused() {
        let algorithm = |iterations| -> EncryptionScheme {
            let mut parameters =
                Parameters::generate_pbkdf2_sha256_aes256cbc(1, &[1; 16], [2; 16]).unwrap();
            parameters.kdf = Pbkdf2Params::hmac_sha256(iterations, &[1; 16])
                .unwrap()
                .into();
            parameters.into()
        };
        check(&algorithm(MAX_PBKDF2)).unwrap();
        assert!(
            message(&algorithm(MAX_PBKDF2 + 1)).contains("2000001 iterations of PBKDF2, 2000000")
        );
    }
}
