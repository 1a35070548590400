"""Words to people: texts out, answers in, consent, and proof of what left the house."""
