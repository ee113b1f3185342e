--- Signals of an execution from a position on, and how many there are: all, or those of a waitpoint, or that resumed a suspension.
-- Fewer than asked for where they are long.
-- @flags no-writes
-- @args namespace: string, execution: string, waitpoint: string, suspension: string, from: int, limit: int
-- @reply [signals: unknown[][], total: int]
-- @errors corruption schema_mismatch not_found
local BYTES_MAX = 4194304

return function(u, a)
  local x = operators.find(u, a[1], a[2])
  local sequences, total = signals.listed(u, x, a[3], a[4], a[5], math.min(a[6], 1000))
  local told, bytes, size = {}, {}, 0
  local heads = signals.heads(u, x, sequences)
  for place, sequence in ipairs(sequences) do
    size = size + math.max(0, heads[place][7])
    if place > 1 and size > BYTES_MAX then break end
    told[place] = signals.tell(u, x, sequence, heads[place], bytes)
  end
  return { told, total }, bytes
end
