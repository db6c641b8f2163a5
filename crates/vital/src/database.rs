//! Opens the database that the configuration names: a private cluster in the data folder, or a running PostgreSQL.
//!
//! **Invariant:** the passwords of the runtime roles are kept in the data folder (mode 0600) and made once; `vital keys
//! rotate database` exchanges them. A command that finds none
//! does not make new ones for a database that a server may be using, because that would lock the server out.

use crate::{
    config::Config,
    failure::{Exit, Failure},
};
use anyhow::Context;
use std::{fs, path::Path};
use vital_store::{
    Db, KeySettings, OpenError, PoolSizes, RoleFile, RoleFileError, RoleSecrets,
    embedded::{Cluster, DataFolder, Install},
    transport::{PgConnectOptions, remedy},
};

/// Within the data folder.
pub(crate) const SECRETS_FILE: &str = "role-secrets.json";
/// Within the data folder: what was erased.
pub(crate) const ERASURES_FILE: &str = "erasures.jsonl";
/// Connections of a command: it does one thing at a time.
const COMMAND_POOLS: PoolSizes = PoolSizes { app: 2, platform: 2 };

/// The database of one command, with what keeps it running.
pub(crate) struct Opened {
    /// The database.
    pub(crate) db: Db,
    /// Who opened it.
    pub(crate) admin: PgConnectOptions,
    /// The private cluster, if this process runs it.
    pub(crate) cluster: Option<Cluster>,
    /// The claimed data folder, if this process owns it.
    pub(crate) folder: Option<DataFolder>,
}

/// Opens the database for a server, which owns the data folder; with the private cluster, if there is one.
///
/// # Errors
/// Each message says what to do; nothing is left running.
pub(crate) async fn for_server(config: &Config, folder: &DataFolder) -> anyhow::Result<(Db, Option<Cluster>)> {
    let secrets = secrets(folder.path(), Missing::Make)?;
    let keys = config.keys.settings(folder.path())?;
    if let Some(options) = config.database.running()? {
        let db = open_running(&options, &secrets, PoolSizes::default(), keys).await?;
        return Ok((db, None));
    }
    let cluster = start(config, folder).await?;
    let db =
        Db::open(&cluster.admin_options(), &secrets, PoolSizes::default(), keys).await.context("the private database cannot be used")?;
    Ok((db, Some(cluster)))
}

/// Opens the database for one command: the running server's, or for the moment its own.
///
/// # Errors
/// Each message says what to do; nothing is left running.
pub(crate) async fn for_command(config: &Config, missing: Missing) -> anyhow::Result<Opened> {
    let data = &config.server.data;
    let keys = config.keys.settings(data)?;
    if let Some(options) = config.database.running()? {
        if missing == Missing::Make {
            create_folder(data)?;
        }
        let db = open_running(&options, &secrets(data, missing)?, COMMAND_POOLS, keys).await?;
        return Ok(Opened { db, admin: options, cluster: None, folder: None });
    }
    if let Some(running) = Cluster::connect_to_running(data)? {
        let db = Db::open(&running, &secrets(data, Missing::Refuse)?, COMMAND_POOLS, keys)
            .await
            .context("the running server's database cannot be used")?;
        return Ok(Opened { db, admin: running, cluster: None, folder: None });
    }
    let folder = DataFolder::claim(data).await?;
    // Nobody else can use a private database whose folder is claimed, so new passwords lock nobody out.
    let secrets = secrets(folder.path(), Missing::Make)?;
    let cluster = start(config, &folder).await?;
    let db = Db::open(&cluster.admin_options(), &secrets, COMMAND_POOLS, keys).await.context("the private database cannot be used")?;
    Ok(Opened { db, admin: cluster.admin_options(), cluster: Some(cluster), folder: Some(folder) })
}

/// Starts the private cluster of a claimed folder.
///
/// # Errors
/// Each message says what to do.
pub(crate) async fn start(config: &Config, folder: &DataFolder) -> anyhow::Result<Cluster> {
    let install = Install::find(config.database.pg_home.as_deref())?;
    Ok(Cluster::start(&install, folder, &config.database.cluster_options()).await?)
}

async fn open_running(options: &PgConnectOptions, secrets: &RoleSecrets, sizes: PoolSizes, keys: KeySettings) -> anyhow::Result<Db> {
    const UNUSABLE: &str = "the database named by `DATABASE_URL` or `database.url` cannot be used";
    match Db::open(options, secrets, sizes, keys).await {
        Err(OpenError::Connect(error)) if remedy(&error).is_some() => {
            Err(Failure::new(format!("{UNUSABLE}: {error}")).hint(remedy(&error).unwrap_or_default()).into())
        }
        opened => opened.context(UNUSABLE),
    }
}

/// What to do when the data folder holds no role passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Make new ones.
    Make,
    /// Stop: a server elsewhere may be using those that are set.
    Refuse,
}

/// The file of the role passwords in a data folder.
pub(crate) fn role_file(folder: &Path) -> RoleFile {
    RoleFile::at(folder.join(SECRETS_FILE))
}

fn secrets(folder: &Path, missing: Missing) -> anyhow::Result<RoleSecrets> {
    let file = role_file(folder);
    match file.read() {
        Ok(Some(secrets)) => Ok(secrets),
        Ok(None) if missing == Missing::Make => Ok(file.make()?),
        Ok(None) => {
            let failure =
                Failure::new(format!("the data folder `{}` holds no database role passwords", folder.display())).exit(Exit::Usage);
            Err(failure.hint("name the server's data folder with `--data`; for a new database run `vital migrate` first").into())
        }
        Err(error @ RoleFileError::Damaged(_)) => Err(Failure::new(error.to_string())
            .hint("stop all servers and delete it: new passwords are made at the next start, and no data depends on them")
            .into()),
        Err(error) => Err(Failure::new(error.to_string()).hint("run this as the user that runs the server, who alone may read it").into()),
    }
}

fn create_folder(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    Ok(made.map_err(|error| Failure::new(format!("the data folder `{}` cannot be made: {error}", path.display())))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn json(secrets: &RoleSecrets) -> String {
        serde_json::to_string(secrets).unwrap()
    }

    #[test]
    fn role_passwords_are_made_once_and_private() {
        let temp = tempfile::tempdir().unwrap();
        assert!(secrets(temp.path(), Missing::Refuse).is_err());
        let first = secrets(temp.path(), Missing::Make).unwrap();
        assert_eq!(json(&secrets(temp.path(), Missing::Make).unwrap()), json(&first));
        assert_eq!(json(&secrets(temp.path(), Missing::Refuse).unwrap()), json(&first));
        let mode = fs::metadata(temp.path().join(SECRETS_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn damaged_role_passwords_are_not_replaced_behind_the_operators_back() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join(SECRETS_FILE);
        fs::write(&file, "{\"app\": \"s3cret\"").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let error = format!("{:?}", secrets(temp.path(), Missing::Make).unwrap_err());
        assert!(error.contains("chmod 600") && !error.contains("s3cret"), "{error}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let error = format!("{:?}", secrets(temp.path(), Missing::Make).unwrap_err());
        assert!(error.contains("damaged") && !error.contains("s3cret"), "{error}");
    }
}
