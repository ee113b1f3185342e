--- Lends slots of a capped lane to partitions that have work for them, after what others gave back. Where none is free, and it
-- may, it asks all that it reckons with for what they do not use.
-- @flags allow-oom
-- @brings nothing
-- @args namespace: string, lane: string, lowered: [partition: int, seq: int, active: int][], wants: [partition: int, want: int][], mayLower: boolean
-- @reply [epoch: int, grants: [partition: int, credit: int, seq: int][], lowers: [partition: int, seq: int][]]
-- @errors corruption schema_mismatch
return function(u, a)
  local ledger = homes.ledger(u, a[1], a[2])
  if not ledger or not ledger.is_open then return { 0, {}, {} } end
  for _, lowered in ipairs(a[3]) do
    local seq = ledger.seqs[lowered[1]] or 0
    -- Where it follows an earlier message than the last, that one is on its way: it has more then than it said. A later one
    -- than was ever sent comes of a fail-over that set this home back.
    if lowered[2] >= seq then homes.set_lent(ledger, lowered[1], lowered[3]) end
    if lowered[2] > seq then homes.set_seq(ledger, lowered[1], lowered[2]) end
  end
  local grants, lowers, free = {}, {}, ledger.cap - ledger.sum
  -- More run than may, since the cap was lowered: nothing starts before that is over.
  if free >= 0 then
    for _, want in ipairs(a[4]) do
      local given = math.min(want[2], free)
      free = free - given
      local credit = (ledger.lent[want[1]] or 0) + given
      if given > 0 then homes.set_lent(ledger, want[1], credit) end
      -- Also where nothing is added: an earlier message may have been lost.
      if credit > 0 then grants[#grants + 1] = { want[1], credit, homes.next_seq(ledger, want[1]) } end
      if given > 0 then a[5] = false end
    end
  end
  if a[5] then
    grants = {}
    for partition, lent in pairs(ledger.lent) do
      if lent > 0 then lowers[#lowers + 1] = { partition, homes.next_seq(ledger, partition) } end
    end
  end
  homes.write_ledger(u, a[1], a[2], ledger)
  return { ledger.epoch, grants, lowers }
end
