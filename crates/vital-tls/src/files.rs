//! Certificate and key as two files that another program writes, and looking whether they changed.

use crate::{Certificate, CertificateError, Certificates};
use std::{
    fs::{File, Metadata},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use time::OffsetDateTime;

/// How often the files are looked at.
pub const RELOAD_LOOK: Duration = Duration::from_secs(30);
/// Largest file, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 256 * 1024;
/// The bits of a key file's mode that let others than its owner and its group read it or anybody but its owner write it.
const TOO_OPEN: u32 = 0o037;

/// Where certificate and key stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The chain, the server's certificate first.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// What was read: the texts as they stood, for telling a change.
struct Texts {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    /// Reads and checks them at a time.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn load(&self, now: OffsetDateTime) -> Result<Certificate, CertificateError> {
        let Texts { chain, key } = self.read()?;
        Certificate::from_pem(&chain, &key, now)
    }

    fn read(&self) -> Result<Texts, CertificateError> {
        Ok(Texts { chain: read(&self.certificate)?, key: read(&self.key)? })
    }

    /// What is careless about the files although they can be used.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let mode = std::fs::metadata(&self.key).ok()?.mode() & 0o777;
        (mode & TOO_OPEN != 0).then(|| {
            let path = self.key.display();
            format!("other users of this machine can read or change the private key `{path}` (mode {mode:03o}); run `chmod 600 {path}`")
        })
    }
}

/// Reads a file, refusing one that is too large to be a certificate or a key.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let fault = |source| CertificateError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(fault)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(CertificateError::TooLarge { path: path.to_owned(), max: FILE_BYTES_MAX });
    }
    Ok(bytes)
}

/// Looks at the files from time to time and takes what is new and good.
pub struct Watch {
    files: Files,
    host: Option<String>,
    /// What the files looked like when they were last read.
    seen: Option<[Stamp; 2]>,
    /// The texts that were taken or refused last.
    last: Option<Texts>,
    /// What was said last about files that cannot be used.
    told: Option<String>,
}

/// A file as the folder shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    changed: (i64, i64),
    bytes: u64,
}

impl Watch {
    /// Reads the files for the first time. `host` is the name that people use, which the certificate must have.
    ///
    /// # Errors
    /// When they cannot be used: a server does not start with what no browser accepts.
    pub fn start(files: Files, host: Option<String>, certificates: &Certificates, now: OffsetDateTime) -> Result<Self, CertificateError> {
        let mut watch = Self { files, host, seen: None, last: None, told: None };
        certificates.set_site(watch.take(now)?);
        Ok(watch)
    }

    /// Looks whether the files changed, and takes what is new where it can be used; otherwise the certificate in use stays. Returns what
    /// happened, none where nothing is new.
    pub fn look(&mut self, certificates: &Certificates, now: OffsetDateTime) -> Option<Result<(), CertificateError>> {
        if self.seen.is_some() && self.seen == self.stamps() {
            return None;
        }
        self.reload(certificates, now)
    }

    /// As [`Self::look`], also where the files look as before: what a signal asks for.
    pub fn reload(&mut self, certificates: &Certificates, now: OffsetDateTime) -> Option<Result<(), CertificateError>> {
        let before = self.last.take();
        let taken = self.take(now);
        let same = matches!((&before, &self.last), (Some(a), Some(b)) if a.chain == b.chain && a.key == b.key);
        match taken {
            Ok(_) if same => None,
            Ok(certificate) => {
                self.told = None;
                certificates.set_site(certificate);
                Some(Ok(()))
            }
            Err(error) => {
                let said = error.to_string();
                certificates.set_trouble("", said.clone());
                let is_news = self.told.replace(said.clone()) != Some(said);
                is_news.then_some(Err(error))
            }
        }
    }

    fn take(&mut self, now: OffsetDateTime) -> Result<Certificate, CertificateError> {
        // The stamps come first: what changes while it is read is read again at the next look.
        self.seen = self.stamps();
        let texts = self.files.read()?;
        let made = Certificate::from_pem(&texts.chain, &texts.key, now);
        self.last = Some(texts);
        let certificate = made?;
        if let Some(host) = &self.host {
            certificate.check_host(host)?;
        }
        Ok(certificate)
    }

    fn stamps(&self) -> Option<[Stamp; 2]> {
        let stamp = |path: &Path| {
            let of = |m: Metadata| Stamp { device: m.dev(), inode: m.ino(), changed: (m.ctime(), m.ctime_nsec()), bytes: m.len() };
            std::fs::metadata(path).ok().map(of)
        };
        Some([stamp(&self.files.certificate)?, stamp(&self.files.key)?])
    }
}

#[cfg(test)]
mod tests;
