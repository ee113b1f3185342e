--- Takes a slot and units by hand. Answers the word for it, `unknown` where the settings have no copy here, and when there is room.
-- @brings nothing
-- @args items: [id: string, key: string, namespace: string, holder: string, hand: string, cost: int][]
-- @reply [word: string, retryMs: number][]
-- @errors corruption schema_mismatch
return function(u, a)
  local told = {}
  for place, item in ipairs(a[1]) do
    local settings = quotas.settings(u, item[1])
    if not settings then told[place] = { 'unknown', 0 }
    elseif settings[Q.ns] ~= item[3] then told[place] = { 'not_found', 0 }
    else told[place] = { quotas.take_by_hand(u, item[1], item[2], settings, item[4], item[5], item[6]) } end
  end
  resources.flush(u)
  return told
end
