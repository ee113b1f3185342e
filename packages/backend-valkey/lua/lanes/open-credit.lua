--- Begins to lend the slots of a cap, once every copy has its epoch and has told what runs there.
-- @flags allow-oom
-- @brings nothing
-- @args namespace: string, lane: string, epoch: int, actives: [partition: int, active: int][]
-- @reply boolean
-- @errors corruption schema_mismatch
return function(u, a)
  local ledger = homes.ledger(u, a[1], a[2])
  if not ledger or ledger.epoch ~= a[3] or ledger.is_open then return false end
  for _, each in ipairs(a[4]) do
    if each[2] > 0 then homes.set_lent(ledger, each[1], each[2]) end
  end
  homes.open(ledger)
  homes.write_ledger(u, a[1], a[2], ledger)
  return true
end
