// Exchanges the key of a one-time link for a session. It follows the #, so no server or log sees it.

const message = document.getElementById("message");
const key = location.hash.slice(1);

async function logIn() {
  history.replaceState(null, "", location.pathname); // keeps the key out of the history
  message.textContent = "Opening the page…";
  const answer = await fetch("login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ key }),
  });
  if (answer.ok) {
    location.replace(location.pathname);
  } else {
    message.textContent =
      answer.status === 403
        ? "This link does not work: it has been used, or it is older than 10 minutes."
        : `The server answered ${answer.status}. Its log may say why.`;
  }
}

if (key) {
  logIn().catch(() => {
    message.textContent = "The server does not answer.";
  });
}

// A new link in the same tab changes only the hash.
addEventListener("hashchange", () => location.reload());
