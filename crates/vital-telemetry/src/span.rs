//! One span while it lasts. Dropping it ends it and hands it to the exporter.

use crate::{
    attributes as a,
    context::{Context, current},
    export::Shared,
};
use std::{
    borrow::Cow,
    sync::OnceLock,
    time::{Instant, SystemTime},
};

/// Most bytes of a text other than content; longer ones are cut.
const TEXT_BYTES_MAX: usize = 256;

pub(crate) static ACTIVE: OnceLock<Shared> = OnceLock::new();

/// What spans go to; none where tracing is off.
pub(crate) fn active() -> Option<&'static Shared> {
    ACTIVE.get()
}

/// The role of a span, with its number in OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanKind {
    Internal = 1,
    Server = 2,
    Client = 3,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Texts(Vec<&'static str>),
    Int(i64),
    Double(f64),
    Bool(bool),
}

impl Value {
    /// A text, cut where it is too long.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned())
    }

    /// A count; more than OTLP can hold is its highest.
    pub(crate) fn count(count: u64) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn bytes(&self) -> usize {
        size_of::<(&str, Self)>() + if let Self::Text(text) = self { text.len() } else { 0 }
    }
}

/// A span, or nothing where it is not kept.
#[derive(Debug, Default)]
pub(crate) struct Span {
    context: Option<Context>,
    open: Option<Box<Open>>,
}

#[derive(Debug)]
struct Open {
    name: Cow<'static, str>,
    kind: SpanKind,
    parent: Option<[u8; 8]>,
    at: SystemTime,
    began: Instant,
    attributes: Vec<(&'static str, Value)>,
    failed: bool,
}

/// A span that is over.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) context: Context,
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: SpanKind,
    pub(crate) from: SystemTime,
    pub(crate) to: SystemTime,
    pub(crate) attributes: Vec<(&'static str, Value)>,
    pub(crate) failed: bool,
}

impl Finished {
    /// About how much memory it takes, and how much space on the way.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.attributes.iter().map(|(_, value)| value.bytes()).sum::<usize>()
    }
}

impl Span {
    /// Begins a span within the one that the task is in.
    pub(crate) fn begin(kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Self {
        Self::begin_in(current(), kind, name)
    }

    /// Begins a span within another, or a trace.
    pub(crate) fn begin_in(parent: Option<Context>, kind: SpanKind, name: impl Into<Cow<'static, str>>) -> Self {
        if active().is_none() {
            return Self::default();
        }
        let context = parent.map_or_else(Context::root, Context::child);
        let open = context.sampled.then(|| {
            let parent = parent.map(|parent| parent.span);
            Box::new(Open {
                name: name.into(),
                kind,
                parent,
                at: SystemTime::now(),
                began: Instant::now(),
                attributes: Vec::with_capacity(12),
                failed: false,
            })
        });
        let mut span = Self { context: Some(context), open };
        if let Some(conversation) = context.conversation {
            span.set(a::CONVERSATION, || Value::Text(uuid::Uuid::from_u128(conversation).to_string()));
        }
        span
    }

    /// What children of it need; also where the span itself is not kept, for then they are not either.
    pub(crate) fn context(&self) -> Option<Context> {
        self.context
    }

    /// From here on children belong to a conversation.
    pub(crate) fn converse(&mut self, conversation: u128) {
        if let Some(context) = &mut self.context {
            context.conversation = Some(conversation);
        }
        self.set(a::CONVERSATION, || Value::Text(uuid::Uuid::from_u128(conversation).to_string()));
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.open.is_some()
    }

    pub(crate) fn rename(&mut self, name: impl FnOnce() -> String) {
        if let Some(open) = &mut self.open {
            open.name = name().into();
        }
    }

    /// Sets an attribute, once each. The value is made only where the span is kept.
    pub(crate) fn set(&mut self, name: &'static str, value: impl FnOnce() -> Value) {
        if let Some(open) = &mut self.open {
            debug_assert!(a::ALL.iter().any(|known| known.name == name), "{name}");
            match open.attributes.iter_mut().find(|(known, _)| *known == name) {
                Some((_, before)) => *before = value(),
                None => open.attributes.push((name, value())),
            }
        }
    }

    /// Says what went wrong, as one of few words.
    pub(crate) fn fail(&mut self, error: &str) {
        self.set(a::ERROR_TYPE, || Value::text(error));
        if let Some(open) = &mut self.open {
            open.failed = true;
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let (Some(context), Some(open), Some(shared)) = (self.context, self.open.take(), active()) {
            let Open { name, kind, parent, at, began, attributes, failed } = *open;
            // The wall clock may jump meanwhile; the length of a span is measured.
            shared.push(Finished { context, parent, name, kind, from: at, to: at + began.elapsed(), attributes, failed });
        }
    }
}
