// Choices that outlive the page. Storage can be forbidden; a choice then lasts as long as the page.

export function recall(name, otherwise) {
  try {
    return localStorage.getItem(name) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // as said above
  }
}
