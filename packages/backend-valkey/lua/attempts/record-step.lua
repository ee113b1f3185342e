--- Appends to journals. A name that is there already is answered with its entry, or with its type where that is another one.
-- @flags
-- @brings record
-- @args namespaces: string[], items: [execution: string, attempt: int, lease: string, epoch: int, name: string, type: string, result: int][]
-- @reply unknown[][]
-- @errors corruption schema_mismatch
return function(u, a)
  local bytes = {}
  local answers = holders.each(u, a[1], a[2], 's', function(x, attempt, item)
    local known, its_type = journals.find(u, x, item[5])
    if known and its_type ~= item[6] then return { 'journal_mismatch', its_type } end
    if known then
      bytes[#bytes + 1] = known
      return { 'already_recorded', #bytes }
    end
    if not journals.append(u, x, item[5], item[6], call.bytes(u, item[7])) then return { 'journal_full' } end
    if attempt[A.effects] == 0 then
      transition.touch(u, x)
      attempt[A.effects] = 1
    end
    return { 'recorded', u.now }
  end)
  flush.run(u)
  return answers, bytes
end
