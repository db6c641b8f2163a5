//! Recognises questions about the treatment of one person, which the platform does not answer (product section 1).
//!
//! A small rule set until the safety layer stands. It leans towards answering: a professional who writes "my patient-reported outcome"
//! or "should I take the 510(k) route" is not asking for treatment.

/// People somebody asks for.
const PEOPLE: &[&str] = &[
    "father",
    "mother",
    "dad",
    "mum",
    "mom",
    "wife",
    "husband",
    "son",
    "daughter",
    "child",
    "baby",
    "brother",
    "sister",
    "grandmother",
    "grandfather",
    "grandma",
    "grandpa",
    "partner",
    "boyfriend",
    "girlfriend",
    "uncle",
    "aunt",
    "patient",
    "kid",
    "toddler",
    "parents",
];
/// Words of treatment and complaint.
const CLINICAL: &[&str] = &[
    "take",
    "taking",
    "took",
    "dose",
    "dosage",
    "pill",
    "pills",
    "tablet",
    "tablets",
    "medication",
    "medicine",
    "drug",
    "treat",
    "treated",
    "treatment",
    "therapy",
    "symptom",
    "symptoms",
    "pain",
    "rash",
    "fever",
    "bleeding",
    "pregnant",
    "trimester",
    "diabetes",
    "cancer",
    "tumour",
    "tumor",
    "blood pressure",
    "kidney",
    "liver",
    "heart",
    "vaccine",
    "vaccination",
    "vaccinated",
    "inject",
    "injection",
    "insulin",
    "aspirin",
    "ibuprofen",
    "paracetamol",
    "antibiotic",
    "antibiotics",
    "surgery",
    "diagnosed",
    "diagnosis",
    "prescribe",
    "prescribed",
    "switch",
    "stop",
    "allergic",
    "allergy",
    "headache",
    "cough",
    "infection",
    "depressed",
];
/// What somebody says of themselves.
const MYSELF: &[&str] = &[
    "should i take",
    "can i take",
    "may i take",
    "i take",
    "i am taking",
    "i'm taking",
    "do i have",
    "i have been diagnosed",
    "i feel",
    "i am pregnant",
    "i'm pregnant",
    "for my diabetes",
    "my symptoms",
    "my blood pressure",
    "my medication",
    "my doctor",
    "my treatment",
    "my dose",
    "should i stop",
    "i was diagnosed",
    "my condition",
    "my pain",
    "safe for me",
];

/// Tells whether a question asks what one particular person should do about their health.
#[must_use]
pub fn is_patient_specific(question: &str) -> bool {
    let lower: String = question
        .to_lowercase()
        .replace('’', "'")
        .chars()
        .map(|c| if c.is_alphanumeric() || matches!(c, '\'' | '-') { c } else { ' ' })
        .collect();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let squeezed = format!(" {} ", words.join(" "));
    let has = |list: &[&str]| list.iter().any(|w| squeezed.contains(&format!(" {w} ")));
    let clinical = has(CLINICAL) || words.iter().any(|w| crate::ask::check::is_drug_like(w));
    let of_mine = words.windows(2).any(|w| matches!(w[0], "my" | "our") && PEOPLE.contains(&w[1].trim_end_matches("'s")))
        || squeezed.contains(" patient of mine ");
    let adult_patient =
        words.windows(2).any(|w| w[0].ends_with("-year-old") || (w[0] == "year" && w[1] == "old")) && squeezed.contains(" should ");
    if (of_mine || adult_patient) && clinical {
        return true;
    }
    let myself = has(MYSELF);
    let dosing = has(&["take", "taking"]) && words.iter().any(|w| crate::ask::check::is_drug_like(w));
    myself
        && clinical
        && (dosing
            || !has(&["take"])
            || has(&[
                "dose",
                "pill",
                "pills",
                "tablet",
                "tablets",
                "medication",
                "medicine",
                "insulin",
                "aspirin",
                "ibuprofen",
                "paracetamol",
                "antibiotic",
                "antibiotics",
            ]))
}
