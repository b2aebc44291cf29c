"""The closed list of reasons a row, file or candidate was not kept; a name says what was wrong."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

State = Literal["rejected", "quarantined"]


class Reason(StrEnum):
    """Why something was not kept. The text is what `curate rejects` and the docs say about it."""

    text: str

    def __new__(cls, value: str, text: str) -> Reason:
        member = str.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member

    # ingest: files
    FILE_EMPTY = "file_empty", "the file has no text in it"
    FILE_UNREADABLE = "file_unreadable", "the operating system would not let the file be read"
    FILE_BINARY = "file_binary", "the bytes are not text"
    FILE_BROKEN = "file_broken", "the file does not parse as what its name says it is"
    FILE_TYPE_UNKNOWN = "file_type_unknown", "no reader for this kind of file"
    FILE_TOO_LARGE = "file_too_large", "longer than `ingest.max_file_bytes`"
    FILE_NOT_REGULAR = "file_not_regular", "a device, socket, pipe or a link that leads back into itself or out of the source"
    FILE_TOO_DEEP = "file_too_deep", "markup nested deeper than any document needs"
    # ingest: rows
    ROW_WITHOUT_TEXT = "row_without_text", "the row's text column is missing or empty"
    ROW_BROKEN = "row_broken", "the row does not parse, or a column has the wrong type"
    ROW_REPEATED = "row_repeated", "the same row of the same file appears again"
    SCORE_OUT_OF_RANGE = "score_out_of_range", "the score is not between 0 and 1 after `ingest.score_scale`"
    LABEL_UNKNOWN = "label_unknown", "the label is neither 0 nor 1"
    # chunk
    CHUNK_TABLE_OF_CONTENTS = "chunk_table_of_contents", "a table of contents, not a passage"
    CHUNK_LINK_LIST = "chunk_link_list", "mostly links or bare references"
    CHUNK_LICENCE_HEADER = "chunk_licence_header", "a licence or copyright notice"
    CHUNK_TOO_SHORT = "chunk_too_short", "shorter than `chunk.min_tokens`"
    CHUNK_WITHOUT_WORDS = "chunk_without_words", "numbers, rules or symbols without words"
    # generate: chunks that give no question
    DOCUMENT_NEAR_DUPLICATE = "document_near_duplicate", "another document of its cluster stands for it"
    CHUNK_NEAR_DUPLICATE = "chunk_near_duplicate", "another chunk of its cluster stands for it"
    CHUNK_COPY_IN_OTHER_SPLIT = "chunk_copy_in_other_split", "a near-copy of it lies in another split"
    CHUNK_IN_SPLIT_GAP = "chunk_in_split_gap", "it lies between two splits of the same document"
    CHUNK_WITHOUT_QUESTION = "chunk_without_question", "no generator found anything to ask about it"
    # generate: answers of a language model
    ANSWER_UNPARSABLE = "answer_unparsable", "no question could be read out of the model's answer"
    ANSWER_EMPTY = "answer_empty", "the model answered with nothing"
    ANSWER_MISSING = (
        "answer_missing",
        "the model did not answer (time-out, rate limit, a fault of the server); asked again on the next build",
    )
    ANSWER_NOT_ASKED = (
        "answer_not_asked",
        "the budget was spent before its turn; asked when the same command is run with a larger one",
    )
    ANSWER_REFUSED = (
        "answer_refused",
        "the endpoint would not take this one request (too long, content rules); not asked again by itself",
    )
    QUESTION_BEYOND_COUNT = "question_beyond_count", "the model gave more questions than were asked for"
    QUESTION_REPEATED = "question_repeated", "the same question for the same chunk again"
    QUESTION_IS_EXAMPLE = "question_is_example", "equals or nearly equals a real query of `generate.examples`"
    QUESTION_NEEDS_ONE_CHUNK = "question_needs_one_chunk", "meant to need two chunks, but the evidence lies in one"
    # filter
    QUESTION_PART_REJECTED = "question_part_rejected", "needs several chunks, and its row for another one was rejected"
    QUESTION_TOO_SHORT = "question_too_short", "fewer words than `filter.min_question_words`"
    QUESTION_TOO_LONG = "question_too_long", "more words than `filter.max_question_words`"
    PASSAGE_TOO_SHORT = "passage_too_short", "fewer words than `filter.min_passage_words`"
    QUESTION_MALFORMED = "question_malformed", "not a question or a search query: a statement, header or fragment"
    QUESTION_VERBATIM = "question_verbatim", "the question stands word for word in its passage"
    QUESTION_NOT_SELF_CONTAINED = "question_not_self_contained", "makes sense only with the passage in view"
    QUESTION_TOO_VAGUE = "question_too_vague", "names nothing that sets its passage apart from the rest of the corpus"
    QUESTION_IN_OTHER_LANGUAGE = "question_in_other_language", "question and passage are in different languages"
    QUESTION_UNRELATED = "question_unrelated", "shares no content word with its passage and no search finds the passage"
    EVIDENCE_NOT_IN_CHUNK = "evidence_not_in_chunk", "the quoted evidence does not stand in the chunk"
    EVIDENCE_TOO_SHORT = "evidence_too_short", "the quoted evidence is a heading or a word or two, which states nothing"
    QUESTION_NEAR_DUPLICATE = "question_near_duplicate", "nearly the same as another kept question"
    ANCHOR_AMBIGUOUS = "anchor_ambiguous", "the same question was written for several different passages"
    ANCHOR_IN_OTHER_SPLIT = "anchor_in_other_split", "the same question is already used in another split"
    ANCHOR_IN_BENCHMARK = "anchor_in_benchmark", "a train question that matches a query of `filter.decontaminate`"
    PASSAGE_IN_BENCHMARK = (
        "passage_in_benchmark",
        "a train pair whose passage holds a query, or matches a passage, of `filter.decontaminate`",
    )
    CHUNK_REJECTED = "chunk_rejected", "the pair's passage was rejected as a chunk"
    CHECK_UNKNOWN = "check_unknown", "a gate could not decide"
    # filter: is it true of the passage?
    NUMBER_NOT_IN_CHUNK = (
        "number_not_in_chunk",
        "the question or its answer holds a number, date or amount that the chunk does not",
    )
    NAME_NOT_IN_CHUNK = "name_not_in_chunk", "the question or its answer names something that the chunk does not"
    NEGATION_DIFFERS = "negation_differs", "denies what the chunk says, or says what the chunk denies"
    ANSWER_NOT_IN_CHUNK = "answer_not_in_chunk", "too few words of the answer stand in the chunk (`filter.min_answer_overlap`)"
    PASSAGE_NOT_FOUND = "passage_not_found", "no search with the question finds its passage by `filter.max_round_trip_rank`"
    OTHER_PASSAGE_FITS_BETTER = "other_passage_fits_better", "another passage fits the question better than its own"
    OTHER_PASSAGE_ANSWERS = "other_passage_answers", "another passage fits question and answer together better than its own"
    QUESTION_TOO_EASY = "question_too_easy", "its passage leads all others by more than `filter.max_margin`"
    CHECKER_SCORE_LOW = "checker_score_low", "the checker's score is below `filter.min_checker_score`"
    COMBINED_SCORE_LOW = "combined_score_low", "the fitted decision's score is below its threshold"
    JUDGE_SAID_NO = (
        "judge_said_no",
        "the judge finds it unanswerable from the chunk, not self-contained, not specific or not natural",
    )
    JUDGE_UNKNOWN = "judge_unknown", "the judge's answer does not parse or contradicts itself"
    JUDGE_MISSING = "judge_missing", "the judge did not answer for a passing reason; asked again on the next build"
    JUDGE_NOT_ASKED = (
        "judge_not_asked",
        "the budget was spent before its turn; asked when the same command is run with a larger one",
    )
    LABEL_REJECTED = "label_rejected", "a person rejected it"
    # mine: candidates
    NEGATIVE_EQUALS_POSITIVE = "negative_equals_positive", "the same text as a positive of this question"
    NEGATIVE_NEAR_DUPLICATE = "negative_near_duplicate", "nearly the same text as a positive of this question"
    NEGATIVE_OVERLAPS_POSITIVE = "negative_overlaps_positive", "overlaps or adjoins the positive in the same document"
    NEGATIVE_IN_SAME_DOCUMENT = (
        "negative_in_same_document",
        "from the positive's document, which `mine.same_document` does not allow",
    )
    NEGATIVE_IN_OTHER_SPLIT = "negative_in_other_split", "its text lies in another split"
    NEGATIVE_HOLDS_ANSWER = "negative_holds_answer", "holds the answer or the evidence of this question"
    NEGATIVE_HOLDS_ANCHOR = "negative_holds_anchor", "is the question itself, or holds all of a longer one word for word"
    NEGATIVE_WITHOUT_WORDS = "negative_without_words", "numbers, rules or symbols without words, or blank"
    NEGATIVE_ABOVE_MARGIN = "negative_above_margin", "scores nearly as high as the positive, so it may answer, too"
    NEGATIVE_USED_ENOUGH = "negative_used_enough", "stands against `mine.max_uses` pairs already"
    NEGATIVE_ANSWERS = "negative_answers", "answers the question by `mine.promote_model`: a further positive"
    NEGATIVE_REPEATED = "negative_repeated", "the same text as an earlier candidate of this pair"
    NEGATIVES_TOO_FEW = "negatives_too_few", "fewer than `mine.negatives` candidates were left for this pair"
    # export: rows of one format
    ANCHOR_EQUALS_PASSAGE = "anchor_equals_passage", "the passage is the question itself, or the two hold nothing but blanks"


REASONS: tuple[Reason, ...] = tuple(Reason)


def meaning(reason: str) -> str:
    """What a reason says; empty for a name that is none."""
    return next((known.text for known in Reason if known == reason), "")
