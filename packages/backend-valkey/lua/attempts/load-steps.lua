--- Entries of a journal from a position on, at most so many; fewer when they are long. The bytes are one stored entry each.
-- @flags no-writes
-- @args namespace: string, id: string, from: int, limit: int
-- @reply [total: int]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local BYTES_MAX, AT_ONCE = 4194304, 16
  local x = operators.find(u, a[1], a[2])
  local total = journals.size(u, x)
  local bytes, size, to = {}, 0, math.min(a[3] + a[4], total)
  for from = a[3] + 1, to, AT_ONCE do
    local entries, sizes = journals.read(u, x, from, math.min(to, from + AT_ONCE - 1))
    for place, entry in ipairs(entries) do
      size = size + sizes[place]
      if #bytes > 0 and size > BYTES_MAX then return { total }, bytes end
      bytes[#bytes + 1] = entry
    end
  end
  return { total }, bytes
end
