/** A copy that lacks one key. Destructuring the rest says the same, several times slower. */
export function without<Item>(record: Readonly<Record<string, Item>>, key: string): Record<string, Item> {
  const others: Record<string, Item> = {};
  for (const other in record) if (other !== key) others[other] = record[other]!;
  return others;
}
