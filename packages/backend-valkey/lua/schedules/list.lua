--- A namespace's schedules in the partition, by label (as bytes), then id, from behind a place on.
-- @flags no-writes
-- @args namespace: string, afterLabel: string, afterId: string, limit: int
-- @reply [name: string, label: string, version: number, dueMs: number, definition: string, progress: string][]
-- @errors corruption schema_mismatch
return function(u, a)
  local rows = {}
  for _, name in ipairs(schedules.list(u, a[1], a[2], a[3], a[4])) do
    local row = schedules.get(u, name)
    if row then
      row[7] = nil
      rows[#rows + 1] = row
    end
  end
  return rows
end
