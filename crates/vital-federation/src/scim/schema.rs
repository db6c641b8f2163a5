//! The attributes that are stored, with their characteristics (RFC 7643 sections 2.2, 4.1, 4.2 and 7).
//!
//! **Invariant:** this table is the only place that says which attributes exist. Reading, filtering, patching, projecting and the
//! `/Schemas` documents all follow it.

use super::value::{DISPLAY_CHARS_MAX, REFERENCE_CHARS_MAX, TEXT_CHARS_MAX};

/// The core schema of users.
pub const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The core schema of groups.
pub const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The enterprise extension, tolerated on input and not stored.
pub const ENTERPRISE_URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The two kinds of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// A person.
    User,
    /// A group of people.
    Group,
}

impl ResourceKind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// The name and id of the resource type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// The path below the base address.
    #[must_use]
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    /// The core schema.
    #[must_use]
    pub const fn urn(self) -> &'static str {
        match self {
            Self::User => USER_URN,
            Self::Group => GROUP_URN,
        }
    }

    /// What the schema describes, in one line.
    pub(super) const fn description(self) -> &'static str {
        match self {
            Self::User => "A person who may sign in",
            Self::Group => "A group of people",
        }
    }

    /// The attributes of the core schema, without the common ones.
    pub(super) const fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::User => USER,
            Self::Group => GROUP,
        }
    }

    /// Finds an attribute by its name in any case, common attributes included.
    pub(super) fn attribute(self, name: &str) -> Option<&'static Attribute> {
        find(COMMON, name).or_else(|| find(self.attributes(), name))
    }
}

/// Finds an attribute by its name in any case (RFC 7643 section 2.1).
pub(super) fn find(attributes: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    attributes.iter().find(|a| a.name.eq_ignore_ascii_case(name))
}

/// The data types that occur (RFC 7643 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataType {
    String,
    Boolean,
    DateTime,
    Reference,
    Complex,
}

/// Whether clients may write an attribute (RFC 7643 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutability {
    ReadOnly,
    ReadWrite,
    Immutable,
}

/// Definition of one attribute.
#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) data_type: DataType,
    pub(super) multi_valued: bool,
    pub(super) description: &'static str,
    pub(super) required: bool,
    pub(super) case_exact: bool,
    /// Longest text, in characters.
    pub(super) chars_max: usize,
    pub(super) mutability: Mutability,
    /// Returned whatever a projection says.
    pub(super) always: bool,
    /// Unique within the tenant.
    pub(super) unique: bool,
    pub(super) canonical: &'static [&'static str],
    pub(super) references: &'static [&'static str],
    pub(super) sub: &'static [Attribute],
}

impl Attribute {
    const fn new(name: &'static str, data_type: DataType, description: &'static str) -> Self {
        Self {
            name,
            data_type,
            multi_valued: false,
            description,
            required: false,
            case_exact: false,
            chars_max: if matches!(data_type, DataType::Reference) { REFERENCE_CHARS_MAX } else { TEXT_CHARS_MAX },
            mutability: Mutability::ReadWrite,
            always: false,
            unique: false,
            canonical: &[],
            references: &[],
            sub: &[],
        }
    }

    const fn read_only(name: &'static str, data_type: DataType, description: &'static str) -> Self {
        Self { mutability: Mutability::ReadOnly, ..Self::new(name, data_type, description) }
    }

    const fn immutable(name: &'static str, data_type: DataType, description: &'static str) -> Self {
        Self { mutability: Mutability::Immutable, ..Self::new(name, data_type, description) }
    }
}

/// Attributes of every resource (RFC 7643 section 3.1); by that section they are part of no schema document.
const COMMON: &[Attribute] = &[
    Attribute { always: true, multi_valued: true, case_exact: true, ..Attribute::read_only("schemas", DataType::Reference, "Schemas") },
    Attribute { always: true, case_exact: true, unique: true, ..Attribute::read_only("id", DataType::String, "Identifier") },
    Attribute { case_exact: true, ..Attribute::new("externalId", DataType::String, "Identifier of the provisioning client") },
    Attribute { sub: META, ..Attribute::read_only("meta", DataType::Complex, "Metadata of the resource") },
];

const META: &[Attribute] = &[
    Attribute { case_exact: true, ..Attribute::read_only("resourceType", DataType::String, "Resource type") },
    Attribute::read_only("created", DataType::DateTime, "Time of creation"),
    Attribute::read_only("lastModified", DataType::DateTime, "Time of the last change"),
    Attribute { case_exact: true, ..Attribute::read_only("location", DataType::Reference, "Address of the resource") },
    Attribute { case_exact: true, ..Attribute::read_only("version", DataType::String, "Entity tag") },
];

const USER: &[Attribute] = &[
    Attribute {
        required: true,
        unique: true,
        ..Attribute::new(
            "userName",
            DataType::String,
            "Name to sign in with: the person's e-mail address. Compared without regard to case.",
        )
    },
    Attribute { sub: NAME, ..Attribute::new("name", DataType::Complex, "The parts of the person's name.") },
    Attribute { chars_max: DISPLAY_CHARS_MAX, ..Attribute::new("displayName", DataType::String, "The name shown to other people.") },
    // Required, because an account whose state is unassigned is neither open nor closed: `remove` is refused, `replace` is the way.
    Attribute {
        required: true,
        ..Attribute::new("active", DataType::Boolean, "Whether the person may sign in. Taken as true where a new user leaves it out.")
    },
    Attribute {
        multi_valued: true,
        sub: GROUPS,
        ..Attribute::read_only("groups", DataType::Complex, "The groups that the person is a member of. Changed through the groups.")
    },
];

const NAME: &[Attribute] = &[
    Attribute::new("givenName", DataType::String, "The given name, or first name."),
    Attribute::new("familyName", DataType::String, "The family name, or last name."),
];

const GROUPS: &[Attribute] = &[
    Attribute { case_exact: true, ..Attribute::read_only("value", DataType::String, "The group's id.") },
    Attribute {
        case_exact: true,
        references: &["Group"],
        ..Attribute::read_only("$ref", DataType::Reference, "The address of the group.")
    },
    Attribute::read_only("display", DataType::String, "The group's name."),
];

const GROUP: &[Attribute] = &[
    Attribute {
        required: true,
        unique: true,
        chars_max: DISPLAY_CHARS_MAX,
        ..Attribute::new("displayName", DataType::String, "The group's name.")
    },
    Attribute { multi_valued: true, sub: MEMBERS, ..Attribute::new("members", DataType::Complex, "The people in the group.") },
];

const MEMBERS: &[Attribute] = &[
    Attribute { case_exact: true, ..Attribute::immutable("value", DataType::String, "The member's id.") },
    Attribute {
        case_exact: true,
        references: &["User"],
        ..Attribute::immutable("$ref", DataType::Reference, "The address of the member.")
    },
    Attribute { canonical: &["User"], ..Attribute::immutable("type", DataType::String, "The kind of member: always a user.") },
];
