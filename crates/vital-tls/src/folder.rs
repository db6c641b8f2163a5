//! The folder of what an ACME authority gave: account and certificates, for their owner alone.
//!
//! **Invariant:** key and chain of a certificate stand in one file, so that they are never of different pairs; a file is replaced by a
//! rename, so that a machine that stops half-way leaves the old one.

use crate::{AcmeError, Certificate, CertificateError, Standing, files};
use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// What the server last knew about its certificates, for `vital tls status`.
const STANDING: &str = "status.json";
/// The account at the authority.
const ACCOUNT: &str = "account.json";

/// The folder.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Opens the folder and makes it where it is not there.
    ///
    /// # Errors
    /// [`AcmeError::Keep`] when it cannot be made or closed to others.
    pub fn open(path: &Path) -> Result<Self, AcmeError> {
        let keep = |source| AcmeError::Keep { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(keep)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(keep)?;
        Ok(Self(path.to_owned()))
    }

    /// The folder at a path that is only read.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The certificate of a domain, also one that has ended; none where there is none or it cannot be used.
    ///
    /// # Errors
    /// What is wrong with one that is there.
    pub fn certificate(&self, domain: &str) -> Result<Option<Certificate>, CertificateError> {
        match files::read(&self.of(domain)) {
            Ok(text) => Certificate::from_pem_at_any_time(&text, &text).map(Some),
            Err(CertificateError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn keep_certificate(&self, domain: &str, key: &str, chain: &str) -> Result<(), AcmeError> {
        self.keep(&self.of(domain), format!("{}\n{}", key.trim_end(), chain).as_bytes())
    }

    /// Removes the certificate of a domain that is no longer served.
    pub fn forget(&self, domain: &str) {
        let _absent = std::fs::remove_file(self.of(domain));
    }

    pub(crate) fn account(&self) -> Option<Vec<u8>> {
        files::read(&self.0.join(ACCOUNT)).ok()
    }

    pub(crate) fn keep_account(&self, json: &[u8]) -> Result<(), AcmeError> {
        self.keep(&self.0.join(ACCOUNT), json)
    }

    pub(crate) fn forget_account(&self) {
        let _absent = std::fs::remove_file(self.0.join(ACCOUNT));
    }

    /// Keeps how the certificates stand.
    ///
    /// # Errors
    /// [`AcmeError::Keep`].
    pub fn keep_standing(&self, standing: &[Standing]) -> Result<(), AcmeError> {
        self.keep(&self.0.join(STANDING), &serde_json::to_vec_pretty(standing).unwrap_or_default())
    }

    /// How the certificates stood when a server last looked; empty where none has.
    #[must_use]
    pub fn standing(&self) -> Vec<Standing> {
        files::read(&self.0.join(STANDING)).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
    }

    /// Domains hold letters, digits, hyphens and dots alone, so none leads out of the folder.
    fn of(&self, domain: &str) -> PathBuf {
        self.0.join(format!("{}.pem", domain.replace(['/', '\\'], "_")))
    }

    fn keep(&self, path: &Path, bytes: &[u8]) -> Result<(), AcmeError> {
        let written = || -> io::Result<()> {
            let temporary = path.with_extension("new");
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&temporary, path)?;
            File::open(&self.0)?.sync_all()
        };
        written().map_err(|source| AcmeError::Keep { path: path.to_owned(), source })
    }
}
