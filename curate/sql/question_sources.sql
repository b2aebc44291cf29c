-- One row is a chunk: why it may not give questions (null when it may), and how its headings stand among those of the whole corpus.
WITH paired AS (
    SELECT DISTINCT document_id FROM imported_pairs
),
placed AS (
    SELECT
        c.chunk_id, c.document_id, c.position, c.split, c.heading_path, d.as_is AND p.document_id IS NOT NULL AS has_pairs,
        coalesce(k.chunk_cluster_id, c.chunk_id) AS chunk_cluster_id, coalesce(k.representative, true) AS representative,
        CASE
            WHEN c.split = 'gap' THEN 'chunk_in_split_gap'
            WHEN NOT coalesce(r.representative, true) THEN 'document_near_duplicate'
            WHEN c.split <> coalesce(k.home_split, c.split) THEN 'chunk_copy_in_other_split'
        END AS barred
    FROM chunks AS c
    JOIN documents AS d ON d.document_id = c.document_id
    LEFT JOIN document_clusters AS r ON r.document_id = c.document_id
    LEFT JOIN chunk_clusters AS k ON k.chunk_id = c.chunk_id
    LEFT JOIN paired AS p ON p.document_id = c.document_id
),
-- One chunk of a cluster asks: its representative, or where that one is barred the first that is not.
askers AS (
    SELECT chunk_id
    FROM placed
    WHERE barred IS NULL AND (NOT has_pairs OR $augment)
    QUALIFY row_number() OVER (PARTITION BY chunk_cluster_id ORDER BY representative DESC, chunk_id) = 1
),
path_counts AS (
    SELECT heading_path, count(DISTINCT document_id) AS path_sections
    FROM placed
    WHERE chunk_id IN (SELECT chunk_id FROM askers)
    GROUP BY heading_path
),
last_counts AS (
    SELECT lower(heading_path[-1]) AS last_heading, sum(path_sections) AS heading_sections
    FROM path_counts
    GROUP BY lower(heading_path[-1])
)
SELECT
    p.chunk_id, p.document_id, p.position, p.split,
    CASE
        WHEN p.has_pairs AND NOT $augment THEN 'has_pairs'
        ELSE coalesce(p.barred, CASE WHEN a.chunk_id IS NULL THEN 'chunk_near_duplicate' END)
    END AS barred,
    row_number() OVER (PARTITION BY p.document_id, p.heading_path ORDER BY p.position, p.chunk_id) = 1 AS begins_section,
    coalesce(h.path_sections, 0) AS path_sections,
    CAST(coalesce(l.heading_sections, 0) AS BIGINT) AS heading_sections
FROM placed AS p
LEFT JOIN askers AS a ON a.chunk_id = p.chunk_id
LEFT JOIN path_counts AS h ON h.heading_path = p.heading_path
LEFT JOIN last_counts AS l ON l.last_heading = lower(p.heading_path[-1])
ORDER BY p.chunk_id
