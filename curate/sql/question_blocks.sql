-- One row is a chunk between $first and $last: the blocks of its document that lie in it, as spans of the chunk's text.
SELECT
    c.chunk_id,
    list({'kind': b.kind, 'start': greatest(b.start, c.start) - c.start, 'end': least(b."end", c."end") - c.start} ORDER BY b.start) AS blocks
FROM chunks AS c
JOIN documents AS d ON d.document_id = c.document_id, unnest(d.blocks) AS u(b)
WHERE c.chunk_id BETWEEN $first AND $last AND b.start < c."end" AND b."end" > c.start
GROUP BY c.chunk_id
