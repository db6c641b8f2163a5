//! Outgoing mail: SMTP, or a folder of files where none is configured.
