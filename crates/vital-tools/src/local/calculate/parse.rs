//! Text to an expression, with bounded length and depth.
//!
//! A number and the unit after it belong together, `/unit` included: `500 mg / 5 mg/kg` is `(500 mg) / (5 mg/kg)`. Apart from that,
//! multiplication and division go from left to right, and `^` binds tightest. [`Node`] prints itself with all its parentheses.

use std::fmt;

/// Longest expression, in bytes.
pub(super) const EXPRESSION_BYTES_MAX: usize = 1_000;
/// Deepest nesting.
pub(super) const DEPTH_MAX: usize = 32;

/// Units with their exponents, as they are written.
pub(super) type Units = Vec<(String, i8)>;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Number(f64),
    /// Units with whole exponents.
    Unit(Units),
    /// A number with its unit.
    Measure(f64, Units),
    Negative(Box<Node>),
    Percent(Box<Node>),
    Binary(char, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
}

/// The functions that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Sqrt,
    Exp,
    Ln,
    Log10,
    Log2,
    Abs,
    Floor,
    Ceil,
    Round,
    Min,
    Max,
}

impl Function {
    pub const ALL: [(&'static str, Self); 11] = [
        ("sqrt", Self::Sqrt),
        ("exp", Self::Exp),
        ("ln", Self::Ln),
        ("log10", Self::Log10),
        ("log2", Self::Log2),
        ("abs", Self::Abs),
        ("floor", Self::Floor),
        ("ceil", Self::Ceil),
        ("round", Self::Round),
        ("min", Self::Min),
        ("max", Self::Max),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Name(String),
    Sign(char),
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// Reads an expression with its optional target unit after `to` or `in`.
pub(super) fn parse(text: &str) -> Result<(Node, Option<Units>), String> {
    if text.len() > EXPRESSION_BYTES_MAX {
        return Err(format!("the expression has more than {EXPRESSION_BYTES_MAX} bytes"));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let node = parser.sum()?;
    let target = if matches!(parser.peek(), Some(Token::Name(name)) if name == "to" || name == "in") {
        parser.at += 1;
        Some(parser.units()?.ok_or("a unit has to follow `to`")?)
    } else {
        None
    };
    match parser.peek() {
        None => Ok((node, target)),
        Some(token) => Err(format!("`{token}` is not expected after `{node}`")),
    }
}

/// Reads a unit alone.
pub(super) fn parse_units(text: &str) -> Result<Units, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let percent = parser.eat('%').then(|| vec![("percent".to_owned(), 1)]);
    let units = if percent.is_some() { percent } else { parser.units()? };
    units.filter(|_| parser.peek().is_none()).ok_or_else(|| "write a unit such as mg, mg/kg or mmol/L".to_owned())
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if first.is_whitespace() => first.len_utf8(),
            '0'..='9' | '.' => {
                let length = number_length(rest);
                let number: f64 = rest[..length].parse().map_err(|_| format!("`{}` is not a number", &rest[..length]))?;
                tokens.push(Token::Number(number).finite()?);
                length
            }
            _ if is_letter(first) => {
                let length = rest.find(|c: char| !is_letter(c) && !c.is_ascii_digit() && c != '_').unwrap_or(rest.len());
                tokens.extend(name(&rest[..length]));
                length
            }
            '+' | '-' | '*' | '/' | '^' | '(' | ')' | ',' | '%' => push(&mut tokens, first, first),
            '−' | '–' => push(&mut tokens, first, '-'),
            '×' | '·' | '⋅' => push(&mut tokens, first, '*'),
            '÷' => push(&mut tokens, first, '/'),
            '²' | '³' => {
                tokens.extend([Token::Sign('^'), Token::Number(if first == '²' { 2.0 } else { 3.0 })]);
                first.len_utf8()
            }
            _ => return Err(format!("the character `{first}` is not expected")),
        };
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn push(tokens: &mut Vec<Token>, first: char, sign: char) -> usize {
    tokens.push(Token::Sign(sign));
    first.len_utf8()
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '°' | 'µ' | '℃' | '℉')
}

/// A name; `m2` and `cm3` are a unit with its exponent.
fn name(text: &str) -> Vec<Token> {
    let known = |text: &str| super::units::unit(text).is_ok() || Function::named(text).is_some();
    let powered = [("2", 2.0), ("3", 3.0)].into_iter().find_map(|(digit, power)| Some((text.strip_suffix(digit)?, power)));
    match powered {
        Some((letters, power)) if !known(text) && known(letters) => {
            vec![Token::Name(letters.to_owned()), Token::Sign('^'), Token::Number(power)]
        }
        _ => vec![Token::Name(text.to_owned())],
    }
}

fn number_length(text: &str) -> usize {
    let digits = |from: usize| from + text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(0);
    if text[end..].starts_with('.') {
        end = digits(end + 1);
    }
    let exponent = text[end..].strip_prefix(['e', 'E']).map(|rest| usize::from(rest.starts_with(['+', '-'])) + end + 1);
    exponent.filter(|&from| digits(from) > from).map_or(end, digits)
}

impl Token {
    fn finite(self) -> Result<Self, String> {
        match self {
            Self::Number(number) if !number.is_finite() => Err("a number is too large".to_owned()),
            token => Ok(token),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
            Self::Sign(sign) => write!(f, "{sign}"),
        }
    }
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn eat(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn sum(&mut self) -> Result<Node, String> {
        let mut left = self.product()?;
        loop {
            let sign = if self.eat('+') {
                '+'
            } else if self.eat('-') {
                '-'
            } else {
                return Ok(left);
            };
            left = Node::Binary(sign, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Node, String> {
        let mut left = self.signed()?;
        loop {
            let sign = if self.eat('*') {
                '*'
            } else if self.eat('/') {
                '/'
            } else if self.starts_factor() {
                // `2 (3 + 4)` and `mg kg`; a number after a number is a slip.
                '*'
            } else {
                return Ok(left);
            };
            left = Node::Binary(sign, Box::new(left), Box::new(self.signed()?));
        }
    }

    fn starts_factor(&self) -> bool {
        match self.peek() {
            Some(Token::Sign('(')) => true,
            Some(Token::Name(name)) => name != "to" && name != "in",
            _ => false,
        }
    }

    fn signed(&mut self) -> Result<Node, String> {
        self.deeper(|parser| {
            if parser.eat('-') {
                return Ok(Node::Negative(Box::new(parser.signed()?)));
            }
            parser.eat('+');
            parser.power()
        })
    }

    fn power(&mut self) -> Result<Node, String> {
        let base = self.percent()?;
        if self.eat('^') { Ok(Node::Binary('^', Box::new(base), Box::new(self.signed()?))) } else { Ok(base) }
    }

    fn percent(&mut self) -> Result<Node, String> {
        let mut node = self.atom()?;
        while self.eat('%') {
            node = Node::Percent(Box::new(node));
        }
        Ok(node)
    }

    fn atom(&mut self) -> Result<Node, String> {
        let token = self.peek().cloned().ok_or("the expression ends too early")?;
        match token {
            Token::Number(number) => {
                self.at += 1;
                let measured = !self.at_constant_or_function();
                Ok(self.units().map(|units| units.filter(|_| measured))?.map_or(Node::Number(number), |units| Node::Measure(number, units)))
            }
            Token::Sign('(') => {
                self.at += 1;
                let node = self.deeper(Self::sum)?;
                if self.eat(')') { Ok(node) } else { Err("a `)` is missing".to_owned()) }
            }
            Token::Name(name) => self.named(&name),
            Token::Sign(sign) => Err(format!("`{sign}` is not expected here")),
        }
    }

    fn at_constant_or_function(&self) -> bool {
        let called = self.tokens.get(self.at + 1) == Some(&Token::Sign('('));
        matches!(self.peek(), Some(Token::Name(name)) if matches!(name.as_str(), "pi" | "e") || (called && Function::named(name).is_some()))
    }

    fn named(&mut self, name: &str) -> Result<Node, String> {
        if self.at_constant_or_function() {
            self.at += 1;
            match (name, Function::named(name)) {
                ("pi", _) => return Ok(Node::Number(std::f64::consts::PI)),
                ("e", _) => return Ok(Node::Number(std::f64::consts::E)),
                (_, Some(function)) => return self.call(function),
                _ => {}
            }
        }
        self.units()?.map(Node::Unit).ok_or_else(|| format!("`{name}` is not expected here"))
    }

    fn call(&mut self, function: Function) -> Result<Node, String> {
        self.eat('(');
        let mut arguments = vec![self.deeper(Self::sum)?];
        while self.eat(',') {
            arguments.push(self.deeper(Self::sum)?);
        }
        if self.eat(')') { Ok(Node::Call(function, arguments)) } else { Err(format!("a `)` is missing after `{}(`", function.name())) }
    }

    /// Units, where some follow: `mg`, `mg/kg/d`, `kg m^2`, `mg/(kg d)`. What is no unit is left.
    fn units(&mut self) -> Result<Option<Units>, String> {
        let Some(first) = self.unit(1)? else { return Ok(None) };
        let mut units = vec![first];
        loop {
            let before = self.at;
            if let Some(next) = self.unit(1)? {
                units.push(next);
                continue;
            }
            if !self.eat('/') {
                return Ok(Some(units));
            }
            let below = if self.eat('(') { self.below()? } else { self.unit(-1)?.map(|unit| vec![unit]) };
            let Some(below) = below else {
                self.at = before;
                return Ok(Some(units));
            };
            units.extend(below);
        }
    }

    /// Units in parentheses below a line, after `(`.
    fn below(&mut self) -> Result<Option<Units>, String> {
        let mut units = Vec::new();
        loop {
            match self.unit(-1)? {
                Some(unit) => units.push(unit),
                None => return Ok(None),
            }
            if self.eat(')') {
                return Ok(Some(units));
            }
            self.eat('*');
        }
    }

    fn unit(&mut self, sign: i8) -> Result<Option<(String, i8)>, String> {
        let Some(Token::Name(name)) = self.peek().cloned() else { return Ok(None) };
        let called = self.tokens.get(self.at + 1) == Some(&Token::Sign('('));
        if matches!(name.as_str(), "to" | "in" | "pi" | "e") || (called && Function::named(&name).is_some()) {
            return Ok(None);
        }
        super::units::unit(&name)?;
        self.at += 1;
        let exponent = match (self.tokens.get(self.at), self.tokens.get(self.at + 1), self.tokens.get(self.at + 2)) {
            (Some(Token::Sign('^')), Some(Token::Number(number)), _) => Some((*number, 2)),
            (Some(Token::Sign('^')), Some(Token::Sign('-')), Some(Token::Number(number))) => Some((-number, 3)),
            _ => None,
        };
        let whole = exponent.filter(|(number, _)| number.fract() == 0.0 && number.abs() <= 9.0 && *number != 0.0);
        let Some((number, length)) = whole else { return Ok(Some((name, sign))) };
        self.at += length;
        #[expect(clippy::cast_possible_truncation, reason = "a whole number from -9 to 9")]
        let exponent = number as i8;
        Ok(Some((name, sign * exponent)))
    }

    fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth >= DEPTH_MAX {
            return Err(format!("the expression is nested deeper than {DEPTH_MAX} levels"));
        }
        self.depth += 1;
        let result = work(self);
        self.depth -= 1;
        result
    }
}

/// Units as they are written: `mg/kg/d`, `m^2`.
pub(super) fn written(units: &[(String, i8)]) -> String {
    let part = |(name, exponent): &(String, i8)| match exponent.abs() {
        1 => name.clone(),
        more => format!("{name}^{more}"),
    };
    let above = units.iter().filter(|(_, exponent)| *exponent > 0).map(part).collect::<Vec<_>>().join(" ");
    let below = units.iter().filter(|(_, exponent)| *exponent < 0).map(part).map(|part| format!("/{part}")).collect::<String>();
    if above.is_empty() && !below.is_empty() { format!("1{below}") } else { above + &below }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = |node: &Node| match node {
            Node::Number(_) | Node::Call(..) | Node::Percent(_) => node.to_string(),
            _ => format!("({node})"),
        };
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Unit(units) => f.write_str(&written(units)),
            Self::Measure(number, units) => write!(f, "{number} {}", written(units)),
            Self::Negative(node) => write!(f, "-{}", inner(node)),
            Self::Percent(node) => write!(f, "{}%", inner(node)),
            Self::Binary(sign, left, right) => write!(f, "{} {sign} {}", inner(left), inner(right)),
            Self::Call(function, arguments) => {
                let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
                write!(f, "{}({})", function.name(), arguments.join(", "))
            }
        }
    }
}
