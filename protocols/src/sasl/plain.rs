//! PLAIN (RFC 4616): authorization identity, account and password in one message.

use super::password::{derive, prepare, unmatchable};
use super::{Failure, Hash, Step, authenticating, check_authzid};
use lavina_crdt::account::Credentials;
use lavina_crdt::names::AccountName;
use subtle::ConstantTimeEq;

/// One exchange.
#[derive(Debug, Default)]
pub(super) struct Plain {
    claim: Option<(AccountName, String)>,
}

impl Plain {
    pub(super) fn on_response(&mut self, response: &[u8], domain: &str) -> Result<Step, Failure> {
        if self.claim.is_some() {
            return Err(Failure::Malformed);
        }
        let text = std::str::from_utf8(response).map_err(|_| Failure::Malformed)?;
        let mut parts = text.split('\0');
        let (Some(authzid), Some(authcid), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Failure::Malformed);
        };
        let account = authenticating(authcid, domain)?;
        check_authzid(authzid, &account, domain)?;
        let password = prepare(password).map_err(|_| Failure::NotAuthorized)?;
        self.claim = Some((account.clone(), password));
        Ok(Step::LookUp(account))
    }

    pub(super) fn on_credentials(
        &mut self,
        credentials: Option<Credentials>,
        secret: &[u8; 32],
    ) -> Result<Step, Failure> {
        let (account, password) = self.claim.take().ok_or(Failure::Malformed)?;
        let known = credentials.is_some();
        let kept = credentials.map_or_else(|| unmatchable(Hash::Sha256, account.as_str(), secret), |kept| kept.sha256);
        let given = derive(Hash::Sha256, password.as_bytes(), &kept.salt, kept.iterations);
        let same = bool::from(given.stored_key.ct_eq(&kept.stored_key));
        if same && known { Ok(Step::Success { account, data: Vec::new() }) } else { Err(Failure::NotAuthorized) }
    }
}
