//! Look-ups at name servers: TXT records, by which a domain proves whose it is, and CAA records (`caa.rs` says what they mean).

use crate::{CaaRecord, DnsError};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::{RData, RecordType},
};
use std::{net::SocketAddr, time::Duration};

/// How long one look-up may take, all attempts included.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Records of an answer that are read.
const RECORDS_MAX: usize = 64;
/// Bytes of one record that are read.
const RECORD_BYTES_MAX: usize = 1024;

/// Asks name servers; clones share their connections.
#[derive(Clone)]
pub struct Names(TokioResolver);

impl Names {
    /// Asks one name server, or those of this machine.
    ///
    /// # Errors
    /// [`DnsError::Settings`] when those of this machine are not known.
    pub fn new(server: Option<SocketAddr>) -> Result<Self, DnsError> {
        let settings = |error: NetError| DnsError::Settings(error.to_string());
        let mut builder = match server {
            Some(server) => {
                let to = |mut connection: ConnectionConfig| {
                    connection.port = server.port();
                    connection
                };
                let server = NameServerConfig::new(server.ip(), true, vec![to(ConnectionConfig::udp()), to(ConnectionConfig::tcp())]);
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
            None => TokioResolver::builder_tokio().map_err(settings)?,
        };
        let options = builder.options_mut();
        options.timeout = LOOKUP_TIMEOUT / 4;
        options.attempts = 2;
        // A record that was just published has to be seen at the next try.
        options.cache_size = 0;
        options.ndots = 0;
        Ok(Self(builder.build().map_err(settings)?))
    }

    /// The TXT records of a name, each joined to one text; empty where the name or the records do not exist.
    ///
    /// # Errors
    /// [`DnsError::NoAnswer`] when it is not known whether there are any.
    pub async fn txt(&self, name: &str) -> Result<Vec<String>, DnsError> {
        Ok(self.records(name, RecordType::TXT).await?.iter().filter_map(text).collect())
    }

    /// The CAA records of a name itself, those of a name that it is an alias of included.
    pub(crate) async fn caa_of(&self, name: &str) -> Result<Vec<CaaRecord>, DnsError> {
        Ok(self.records(name, RecordType::CAA).await?.iter().filter_map(caa).collect())
    }

    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, DnsError> {
        let unknown = || DnsError::NoAnswer { name: name.to_owned() };
        // With a closing dot no search list of this machine is tried.
        let absolute = format!("{}.", name.trim_end_matches('.'));
        match tokio::time::timeout(LOOKUP_TIMEOUT, self.0.lookup(absolute, kind)).await {
            Err(_) => Err(unknown()),
            Ok(Err(error)) if error.is_no_records_found() => Ok(Vec::new()),
            Ok(Err(error)) => {
                tracing::debug!(%error, name, %kind, "a look-up failed");
                Err(unknown())
            }
            Ok(Ok(found)) => {
                let wanted = found.answers().iter().filter(|record| record.record_type() == kind);
                Ok(wanted.take(RECORDS_MAX).map(|record| record.data.clone()).collect())
            }
        }
    }
}

fn text(data: &RData) -> Option<String> {
    let RData::TXT(txt) = data else { return None };
    let bytes: Vec<u8> = txt.txt_data.iter().flat_map(|part| part.iter().copied()).take(RECORD_BYTES_MAX).collect();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn caa(data: &RData) -> Option<CaaRecord> {
    let RData::CAA(caa) = data else { return None };
    let value = String::from_utf8_lossy(caa.value.get(..RECORD_BYTES_MAX).unwrap_or(&caa.value)).into_owned();
    Some(CaaRecord { critical: caa.issuer_critical, tag: caa.tag.to_ascii_lowercase(), value })
}
