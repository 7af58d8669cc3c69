//! Key exchange on the curve P-521, which the configuration supports but rustls does not. The arithmetic is that of AWS-LC, as for the
//! other curves.

use aws_lc_rs::agreement::{ECDH_P521, PrivateKey, PublicKey, UnparsedPublicKey, agree};
use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// Ephemeral Diffie-Hellman on secp521r1.
#[derive(Debug)]
pub(in crate::program) struct P521;

impl SupportedKxGroup for P521 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let private = PrivateKey::generate(&ECDH_P521).map_err(|_| GetRandomFailed)?;
        let public = private.compute_public_key().map_err(|_| GetRandomFailed)?;
        Ok(Box::new(Exchange { private, public }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

struct Exchange {
    private: PrivateKey,
    public: PublicKey,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let bad = || Error::from(PeerMisbehaved::InvalidKeyShare);
        // TLS allows only uncompressed points (4, then two coordinates); AWS-LC would also accept compressed ones.
        if peer.first() != Some(&4) {
            return Err(bad());
        }
        agree(&self.private, UnparsedPublicKey::new(&ECDH_P521, peer), bad(), |secret| Ok(SharedSecret::from(secret)))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_derive_the_same_secret() {
        let (ours, theirs) = (P521.start().unwrap(), P521.start().unwrap());
        let (our_share, their_share) = (ours.pub_key().to_vec(), theirs.pub_key().to_vec());
        assert_eq!(our_share.len(), 133);
        let (one, other) = (ours.complete(&their_share).unwrap(), theirs.complete(&our_share).unwrap());
        assert_eq!(one.secret_bytes(), other.secret_bytes());
        assert_eq!(one.secret_bytes().len(), 66);
    }

    #[test]
    fn invalid_points_are_rejected() {
        let share = P521.start().unwrap().pub_key().to_vec();
        let mut off_the_curve = share.clone();
        *off_the_curve.last_mut().unwrap() ^= 1;
        let mut compressed = share[..67].to_vec();
        compressed[0] = 2;
        for bad in [Vec::new(), vec![4], compressed, off_the_curve] {
            assert!(P521.start().unwrap().complete(&bad).is_err());
        }
    }
}
