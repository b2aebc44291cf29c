-- Documents by language, the commonest first; a language of fewer than one in fifty is likelier a mistake of the detector.
SELECT language, count(*) AS documents FROM documents GROUP BY language
HAVING count(*) * 50 >= (SELECT count(*) FROM documents) ORDER BY documents DESC, language
