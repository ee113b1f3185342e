-- Writes of those who hold leases, beside ends: each fenced, each item on its own.

-- `items` begin with [execution, attempt, lease, epoch]. What `work` answers for an item that passes is its answer.
function holders.each(u, namespaces, items, op, work)
  local ids = {}
  for place, item in ipairs(items) do ids[place] = item[1] end
  record.load(u, ids)
  local answers = {}
  for place, item in ipairs(items) do
    local pass, x, attempt, known = fence.judge(u, namespaces, item, op)
    if pass == 'held' then
      answers[place] = work(x, attempt, item)
    else
      answers[place] = known
    end
  end
  resolve.fresh(u)
  return answers
end

-- The holder's own call ends it as cancelled: the attempt is the holder's end, so that a repeat answers the same.
function holders.cancel(u, x, attempt, cause)
  attempts.close(u, x, 'x', 'h')
  transition.cancel(u, x, cause)
end
