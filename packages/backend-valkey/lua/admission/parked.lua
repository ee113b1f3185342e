--- The refused head of an execution's line, which may be itself: ['' or its id, letter, quota or budget, key, since].
-- @flags no-writes
-- @args line: string
-- @reply [head: string, letter: string, id: string, key: string, sinceMs: number]
-- @errors corruption schema_mismatch
return function(u, a)
  local line = lines.get(u, a[1])
  u.lines_met = nil
  local x = line.head ~= '' and record.get(u, line.head)
  local refused = x and x[X.demands] and x[X.demands][D.refused]
  if not refused or refused == 0 then return { '', '', '', '', 0 } end
  return { line.head, refused[1], refused[2], refused[3], refused[4] }
end
