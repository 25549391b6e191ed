"""What each alarm means, and what to do about it."""

from ml_run.drift.checks import CheckName

MEANING: dict[CheckName, str] = {
    "labels": "The model gives its labels in other shares: what people write about has changed, or the model errs "
    "otherwise. Have a person label fifty of these rows; if its labels are right, the shares are the new truth.",
    "confidence": "The model is surer or less sure than it was: it meets texts unlike those it was tested on.",
    "length": "Texts are longer or shorter: look for a new source, a cut-off field or several texts in one row.",
    "characters": "Texts hold character sequences that training never saw, or fewer of them: another spelling or "
    "encoding, typing errors, another language, or texts that training has seen.",
    "pieces": "The tokenizer cuts words into more or fewer pieces: another language, spelling or kind of text.",
    "unknown_pieces": "Texts hold characters that the tokenizer does not know: look for another script or encoding.",
    "language": "Texts are in another language than the model was made for: its answers to them mean nothing.",
    "content": "Texts are about other things, or written otherwise: have a person look at some; a new topic needs a "
    "label of its own.",
    "accuracy": "Labelled rows show it directly: the model gets more, or fewer, of them wrong than of its test rows.",
}
CHANCE = (
    "Each check is a test of two samples; p-values are adjusted so that all of them together raise a false alarm in "
    "one window of twenty at most (Holm), if the rows are independent of each other. With a window a day, about "
    "eighteen alarms a year come by chance; two alarms in three windows in a row hardly ever do."
)
SIZES = (
    "Sizes: the Kolmogorov-Smirnov distance is the largest difference of two distribution functions (0 to 1), the "
    "total variation the share of rows with another label, MMD the distance of two clouds of texts (0 to 1.41)."
)
PSI = (
    "PSI, the population stability index, is shown because people know it. No alarm rests on it: its usual limit of "
    "0.1 is passed by 42 of 100 windows of 100 rows without any drift."
)
BLIND = (
    "What cannot be seen here: a new topic that makes up a tenth of two hundred rows, and labels whose meaning changed "
    "while the texts did not. Only labelled rows show these."
)
REFERENCE = "The reference is the test split of the run: rows that the model has not learnt from."
METHOD = (REFERENCE, CHANCE, SIZES, PSI, BLIND)
