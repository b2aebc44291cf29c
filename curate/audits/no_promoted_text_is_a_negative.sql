-- No text that was promoted for an anchor is a chosen negative of that anchor.
-- Negatives that came with the user's own rows may be: export leaves them out and says so.
SELECT against.pair_id AS key
FROM negatives AS promoted
JOIN pairs AS one ON one.pair_id = promoted.pair_id
JOIN pairs AS other ON other.anchor = one.anchor
JOIN negatives AS against ON against.pair_id = other.pair_id AND against.text = promoted.text
WHERE promoted.state = 'promoted' AND against.chosen IS NOT NULL AND against.origin <> 'supplied'
